"""The judge of stop strings: a text ends before them, in every choice and however it is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.serving import judge_stream, judge_unary
from tests.harness.pure.serving_kit import (
    asked,
    content,
    counted,
    end,
    framed,
    plain_asked,
    plain_chunks,
    promises,
    record_of,
    unary_of,
)

TEXT = "Once upon a time there was"


def found(text: str, stop: Any, cuts: list[int]) -> list[str]:
    marks = sorted({0, *cuts, len(text)})
    pieces = [text[a:b] for a, b in pairwise(marks)]
    chunks = [*map(content, pieces), end("stop"), counted(max(1, len(pieces)))]
    return promises(judge_stream(record_of(framed(chunks), asked(extra={"stop": stop}))))


@given(
    begin=st.integers(0, len(TEXT) - 1),
    size=st.integers(1, 8),
    cuts=st.lists(st.integers(1, len(TEXT) - 1), max_size=6),
)
def test_stop_string_is_found_wherever_it_stands(begin: int, size: int, cuts: list[int]) -> None:
    stop = TEXT[begin : begin + size]

    assert found(TEXT, stop, cuts) == ["stop"]
    assert found(TEXT, ["never", stop], cuts) == ["stop"]


@given(
    stop=st.text("xyz", min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, len(TEXT) - 1), max_size=6),
)
def test_text_without_its_stop_string_is_accepted(stop: str, cuts: list[int]) -> None:
    assert found(TEXT, [stop], cuts) == []


@pytest.mark.parametrize("stop", [None, [], ""])
def test_no_stop_string_is_no_promise(stop: object) -> None:
    assert found(TEXT, stop, []) == []


def test_stop_string_in_a_whole_answer_is_found() -> None:
    record = unary_of(TEXT, 6, asked(extra={"stop": "upon"}))

    assert "stop: expected a text that ends before 'upon'; seen 'Once upon a time" in str(
        judge_unary(record)
    )


def test_stop_string_in_a_plain_stream_is_found() -> None:
    body = framed(plain_chunks(["Once ", "upon"]))

    assert promises(judge_stream(record_of(body, plain_asked(extra={"stop": "e u"})))) == ["stop"]


def test_stop_string_in_the_second_choice_is_found() -> None:
    choices = [
        {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "b!"}, "finish_reason": "stop"},
    ]
    record = unary_of("", 2, asked(extra={"n": 2, "stop": "!"}), choices=choices)

    assert promises(judge_unary(record)) == ["stop"]


def test_reasoning_and_content_are_no_one_text() -> None:
    """A stop string was found that only the joint of two texts made."""
    message = {"role": "assistant", "reasoning_content": "It is sto", "content": "p."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]

    assert not judge_unary(unary_of("", 3, asked(extra={"stop": "stop"}), choices=choices))
