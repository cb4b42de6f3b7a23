"""The judges of plain completions: their own object type, the text in the choice, no role."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.serving import Record, joined_text, judge_stream, judge_unary, same_answer
from tests.harness.pure.serving_kit import (
    JSON_HEADERS,
    Chunk,
    counted,
    framed,
    good_chunks,
    plain_asked,
    plain_chunks,
    plain_content,
    promises,
    record_of,
)

PIECES = ("upon ", "a ", "time 🐉")
ASKED = plain_asked(max_tokens=len(PIECES))
STREAM = record_of(framed(plain_chunks(PIECES)), ASKED)


def whole(**changes: Any) -> Record:
    choice = {"index": 0, "text": "".join(PIECES), "finish_reason": "length"}
    answer = counted(len(PIECES)) | {"object": "text_completion", "choices": [choice]} | changes
    return record_of(json.dumps(answer).encode(), ASKED.unary(), headers=JSON_HEADERS)


def test_good_plain_answers_are_accepted_and_agree() -> None:
    assert not judge_stream(STREAM)
    assert not judge_unary(whole())
    assert joined_text(STREAM) == joined_text(whole()) == "".join(PIECES)
    assert not same_answer(STREAM, whole())


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), min_size=1),
        min_size=1,
        max_size=9,
    )
)
def test_any_plain_text_is_accepted(pieces: list[str]) -> None:
    record = record_of(framed(plain_chunks(pieces)), plain_asked(max_tokens=len(pieces)))

    assert promises(judge_stream(record)) in ([], ["degenerate"])


def choice(number: int, **changes: object) -> Callable[[list[Chunk]], None]:
    """Return a mangling that changes members of the choice of the chunk with that number."""
    return lambda chunks: chunks[number]["choices"][0].update(changes)


def chunk(number: int, **changes: object) -> Callable[[list[Chunk]], None]:
    return lambda chunks: chunks[number].update(changes)


MANGLINGS = {
    "object-of-a-chat": (chunk(1, object="chat.completion.chunk"), ["object"]),
    "text-missing": (choice(1, text=None), ["shape"]),
    "text-in-a-delta": (choice(1, text=None, delta={"content": "a "}), ["shape"]),
    "model-changes": (chunk(2, model="other"), ["model"]),
    "id-changes": (chunk(2, id="cmpl-2"), ["id"]),
    "finish-missing": (choice(-2, finish_reason=None), ["finish"]),
    "finish-twice": (choice(0, finish_reason="length"), ["finish"]),
    "index-not-asked-for": (choice(1, index=1), ["order"]),
    "split-character": (choice(2, text="\ufffd\ufffd ,"), ["characters"]),
    "usage-wrong": (lambda chunks: chunks[-1]["usage"].update(total_tokens=1), ["usage-sum"]),
    "usage-missing": (lambda chunks: [chunks.pop()].clear(), ["usage"]),
}


@pytest.mark.parametrize(("mangle", "expected"), MANGLINGS.values(), ids=MANGLINGS)
def test_mangled_plain_stream_is_found(
    mangle: Callable[[list[Chunk]], None], expected: list[str]
) -> None:
    chunks = copy.deepcopy(plain_chunks(PIECES))
    mangle(chunks)

    assert promises(judge_stream(record_of(framed(chunks), ASKED))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"object": "chat.completion"}, ["object"]),
        ({"usage": None}, ["usage"]),
        ({"choices": []}, ["order", "finish", "text"]),
        ({"choices": plain_content("", "length")["choices"]}, ["text"]),
        (
            {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "length"}]},
            ["shape"],
        ),
    ],
)
def test_mangled_plain_answer_is_found(changes: dict[str, Any], expected: list[str]) -> None:
    assert promises(judge_unary(whole(**changes)))[: len(expected)] == expected


def test_chat_in_place_of_a_plain_stream_is_found() -> None:
    record = record_of(framed(good_chunks(PIECES)), ASKED)

    assert promises(judge_stream(record))[:2] == ["shape", "object"]


def test_plain_stream_has_usage_only_where_asked_for() -> None:
    unasked = replace(ASKED, stream_options=None)

    assert promises(judge_stream(replace(STREAM, request=unasked))) == ["usage"]
    body = framed(plain_chunks(PIECES)[:-1])
    assert not judge_stream(record_of(body, unasked))
