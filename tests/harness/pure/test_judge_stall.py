"""The judge of time: a stream that goes on does not stand still."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exchange import Arrival
from harness.serving import Record, judge_stream
from harness.serving.judges import STALL_LIMIT_S
from harness.serving.judges.time import stall
from tests.harness.pure.serving_kit import asked, content, framed, good_chunks, promises, timed

PIECES = ("Once ", "upon ", "a time")
CHUNKS = good_chunks(PIECES)
ASKED = asked(max_tokens=len(PIECES))
PAUSES = len(CHUNKS) + 1
"""One before each event and before the end mark."""


def paused(pauses_s: list[float]) -> Record:
    return timed(CHUNKS, list(accumulate(pauses_s)), ASKED)


@given(st.lists(st.floats(0, 9.9), min_size=PAUSES, max_size=PAUSES))
def test_stream_is_accepted_whose_every_pause_is_short(pauses_s: list[float]) -> None:
    spread = [pauses_s[0], *(each / len(CHUNKS) for each in pauses_s[1:])]

    assert not judge_stream(paused(spread))


@given(at=st.integers(1, len(PIECES)), pause_s=st.floats(10.1, 1000))
def test_pause_between_two_pieces_is_found(at: int, pause_s: float) -> None:
    pauses_s = [0.1] * PAUSES
    pauses_s[at] = pause_s

    assert promises(judge_stream(paused(pauses_s))) == ["stall"]


@pytest.mark.parametrize("at", range(len(PIECES), PAUSES))
def test_pause_before_the_end_is_found(at: int) -> None:
    pauses_s = [0.1] * PAUSES
    pauses_s[at] = 10.1

    assert promises(judge_stream(paused(pauses_s))) == ["stall"]


def test_wait_for_the_first_piece_is_no_stall() -> None:
    assert not judge_stream(paused([100.0, *[0.1] * (PAUSES - 1)]))


EMPTY = framed([content("")]).partition(b"data: [DONE]")[0]


@pytest.mark.parametrize("idle", [b": ping\n\n", EMPTY], ids=["comments", "empty-chunks"])
def test_events_that_say_nothing_are_no_progress(idle: bytes) -> None:
    record = paused([0.1, 12.0, *[0.1] * (PAUSES - 2)])
    first, *others = record.arrivals
    between = [Arrival(float(second), idle) for second in range(1, 12)]
    kept_open = replace(record, arrivals=(first, *between, *others))

    assert promises(judge_stream(kept_open)) == ["stall"]


def test_limit_is_what_the_caller_says() -> None:
    record = paused([0.1, 2.0, *[0.1] * (PAUSES - 2)])

    assert not judge_stream(record)
    assert promises(judge_stream(record, stall_limit_s=1.9)) == ["stall"]
    assert not judge_stream(record, stall_limit_s=2.1)


def test_stall_is_told_with_its_length_and_event() -> None:
    told = str(stall(paused([0.1, 12.5, *[0.1] * (PAUSES - 2)])))

    assert told == (
        f"stall: expected a piece of text every {STALL_LIMIT_S:g} s; "
        "seen 12.50 s without one (event 2)"
    )


def test_stream_without_text_has_no_stall() -> None:
    assert stall(timed([], [50.0], ASKED)) is None
