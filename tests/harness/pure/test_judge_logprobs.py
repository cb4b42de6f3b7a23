"""The judge of log-probabilities: beside every text if asked for, logarithms, not too many."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.serving import Record, judge_stream
from tests.harness.pure.serving_kit import (
    Chunk,
    asked,
    content,
    counted,
    end,
    framed,
    good_chunks,
    plain_asked,
    plain_chunks,
    promises,
    record_of,
)

PIECES = ("Once ", "upon ", "a time")
LOGARITHMS = st.floats(-50, 0)


def token(value: Any = -0.5, alternatives: int = 0, text: str = "Once ") -> dict[str, Any]:
    top = [{"token": f"{n}", "logprob": -1.0} for n in range(alternatives)]
    return {"token": text, "logprob": value, "top_logprobs": top}


def told(chunks: Sequence[Chunk], tokens: Sequence[dict[str, Any]]) -> list[Chunk]:
    """Return the chunks with a token's logprobs beside each of the first."""
    beside = copy.deepcopy(list(chunks))
    for chunk, each in zip(beside, tokens, strict=False):
        chunk["choices"][0]["logprobs"] = {"content": [each]}
    return beside


def chat(tokens: Sequence[dict[str, Any]], extra: dict[str, Any]) -> Record:
    chunks = told(good_chunks(PIECES), tokens)
    return record_of(framed(chunks), asked(max_tokens=len(PIECES), extra=extra))


def plain(logprobs: Any, extra: dict[str, Any]) -> Record:
    chunks = plain_chunks(["Once "])
    chunks[0]["choices"][0]["logprobs"] = logprobs
    return record_of(framed(chunks), plain_asked(max_tokens=1, extra=extra))


@given(
    values=st.lists(LOGARITHMS, min_size=3, max_size=3),
    asked_for=st.integers(0, 5),
    fewer=st.integers(0, 4),
)
def test_good_logprobs_are_accepted(values: list[float], asked_for: int, fewer: int) -> None:
    """A token may have fewer alternatives than asked for: rare, says OpenAI's reference."""
    rare, *others = values
    tokens = [token(rare, max(0, asked_for - fewer)), *(token(each, asked_for) for each in others)]

    assert not judge_stream(chat(tokens, {"logprobs": True, "top_logprobs": asked_for}))


@given(asked_for=st.integers(1, 5), fewer=st.integers(1, 5))
def test_fewer_alternatives_throughout_are_found(asked_for: int, fewer: int) -> None:
    tokens = [token(-0.5, max(0, asked_for - fewer)) for _ in range(3)]
    record = chat(tokens, {"logprobs": True, "top_logprobs": asked_for})

    assert promises(judge_stream(record)) == ["logprobs"]


GOOD = [token(), token(), token()]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param({"logprob": 0.1}, id="above-0"),
        pytest.param({"logprob": 7}, id="whole-number-above-0"),
        pytest.param({"logprob": None}, id="null"),
        pytest.param({"logprob": "-0.5"}, id="text"),
        pytest.param({"logprob": True}, id="truth-value"),
        pytest.param({"top_logprobs": [{}] * 2}, id="too-many-alternatives"),
    ],
)
def test_wrong_logprob_is_found(place: int, mangle: dict[str, Any]) -> None:
    tokens = copy.deepcopy(GOOD)
    tokens[place].update(mangle)

    assert promises(judge_stream(chat(tokens, {"logprobs": True}))) == ["logprobs"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logprob_that_is_no_json_is_found(value: float) -> None:
    """Python reads NaN and Infinity; most clients break on them."""
    assert "framing" in promises(judge_stream(chat([token(value), *GOOD[1:]], {"logprobs": True})))


@given(st.sets(st.integers(0, 2), min_size=1))
def test_text_without_logprobs_is_found(missing: set[int]) -> None:
    record = chat([], {"logprobs": True})
    chunks = told(good_chunks(PIECES), GOOD)
    for place in missing:
        chunks[place]["choices"][0]["logprobs"] = None
    some = record_of(framed(chunks), record.request)

    assert promises(judge_stream(record)) == promises(judge_stream(some)) == ["logprobs"]


def test_logprobs_that_nobody_asked_for_are_found() -> None:
    assert promises(judge_stream(chat(GOOD, {}))) == ["logprobs"]
    assert promises(judge_stream(chat(GOOD, {"logprobs": False}))) == ["logprobs"]


def test_no_alternatives_at_all_are_found_where_some_were_asked_for() -> None:
    assert promises(judge_stream(chat(GOOD, {"logprobs": True, "top_logprobs": 2}))) == ["logprobs"]


def test_more_logprobs_than_tokens_are_found() -> None:
    chunks = [content("Once "), end(), counted(1)]
    chunks[0]["choices"][0]["logprobs"] = {"content": [token(), token()]}
    record = record_of(framed(chunks), asked(max_tokens=1, extra={"logprobs": True}))

    assert "at most 1 tokens, as usage counts them; seen 2" in str(judge_stream(record))


@pytest.mark.parametrize("alternatives", [2, 3])
def test_plain_logprobs_may_hold_the_token_beside_its_alternatives(alternatives: int) -> None:
    """OpenAI's API reference: up to logprobs + 1 elements; more than `logprobs` were refused."""
    top = [{str(number): -1.0 for number in range(alternatives)}]
    good = {"tokens": ["Once "], "token_logprobs": [-0.5], "top_logprobs": top}

    assert not judge_stream(plain(good, {"logprobs": 2}))


PLAIN = {"tokens": ["Once "], "token_logprobs": [-0.5], "top_logprobs": [{"a": -1.0}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": []},
        {"tokens": None},
        {"token_logprobs": []},
        {"token_logprobs": [0.5]},
        {"top_logprobs": []},
        {"top_logprobs": [dict.fromkeys("abcd", -1.0)]},
    ],
    ids=str,
)
def test_wrong_plain_logprobs_are_found(changes: dict[str, Any]) -> None:
    assert promises(judge_stream(plain(PLAIN | changes, {"logprobs": 2}))) == ["logprobs"]


def test_plain_logprobs_come_only_where_asked_for() -> None:
    assert not judge_stream(plain(PLAIN | {"top_logprobs": None}, {"logprobs": 0}))
    assert promises(judge_stream(plain(PLAIN, {}))) == ["logprobs"]


MANGLE_KEYS = ["content", "tokens", "token_logprobs", "top_logprobs"]
JUNK = st.none() | st.integers() | st.lists(st.none() | st.integers())


@given(st.dictionaries(st.sampled_from(MANGLE_KEYS), JUNK))
def test_no_logprobs_make_the_judge_stumble(junk: dict[str, Any]) -> None:
    assert promises(judge_stream(plain(junk, {"logprobs": 1}))) == ["logprobs"]
