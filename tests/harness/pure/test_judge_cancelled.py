"""The judge of streams that we hung up on: good as far as they came, and not ended before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exchange import Outcome
from harness.serving.judges import judge_cancelled
from tests.harness.pure.serving_kit import asked, content, framed, good_chunks, promises, record_of

PIECES = ("Once ", "upon ", "日本語 ", "🐉!")
GOOD = framed(good_chunks(PIECES))
ASKED = asked(max_tokens=len(PIECES))


@given(st.integers(0, len(GOOD)))
def test_good_stream_may_be_left_anywhere(size: int) -> None:
    assert not judge_cancelled(record_of(GOOD[:size], ASKED, outcome=Outcome.CANCELLED))


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.CANCELLED])
def test_stream_that_ended_otherwise_is_found(outcome: Outcome) -> None:
    findings = judge_cancelled(record_of(GOOD, ASKED, outcome=outcome))

    assert promises(findings) == ["cancelled"]
    assert f"seen {outcome}" in str(findings)


CHUNK = content("Once ")
MANGLINGS = {
    "error-event": (framed([{"error": {"message": "no"}}]), ["error-event"]),
    "no-json": (b"data: {\n\n", ["framing"]),
    "other-model": (framed([CHUNK | {"model": "other"}]), ["model"]),
    "two-ids": (framed([CHUNK, CHUNK | {"id": "2"}]), ["id"]),
    "two-creations": (framed([CHUNK, CHUNK | {"created": 2}]), ["created"]),
    "object": (framed([CHUNK | {"object": "chat.completion"}]), ["object"]),
    "no-role": (framed([CHUNK | {"choices": [{"index": 0, "delta": {}}]}]), ["role"]),
    "no-delta": (framed([CHUNK | {"choices": [{"index": 0}]}]), ["shape", "role"]),
    "split-character": (framed([content("a \ufffd"), CHUNK]), ["characters"]),
}


@pytest.mark.parametrize(("body", "expected"), MANGLINGS.values(), ids=MANGLINGS)
def test_what_came_before_the_hang_up_is_judged(body: bytes, expected: list[str]) -> None:
    record = record_of(body, ASKED, outcome=Outcome.CANCELLED)

    assert promises(judge_cancelled(record)) == expected


def test_wrong_type_and_status_are_found() -> None:
    left = record_of(b"", ASKED, outcome=Outcome.CANCELLED)

    assert promises(judge_cancelled(replace(left, headers=()))) == ["content-type"]
    assert promises(judge_cancelled(replace(left, status=503))) == ["status"]
