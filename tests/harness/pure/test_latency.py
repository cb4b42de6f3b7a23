"""Latencies of a batch: what is counted, from when, and as which percentile."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exchange import Outcome
from harness.figures import FIGURES
from harness.serving import Record
from harness.serving.latency import Latencies, percentile
from tests.harness.pure.serving_kit import asked, good_chunks, timed, unary_of

ASKED = asked(max_tokens=3)
TIMES_S = (0.5, 0.75, 1.25, 1.3, 1.4, 1.5)
STREAM = replace(timed(good_chunks(["a ", "b ", "c "]), TIMES_S, ASKED), started_at_s=100.0)


def test_stream_is_timed_by_its_text() -> None:
    seen = Latencies.of([STREAM])

    assert seen == Latencies(
        first_token_s=(0.5,), gap_s=(0.25, 0.5), whole_s=(1.5,), tokens=3, elapsed_s=1.5
    )


def test_figures_have_their_names_and_throughput_counts_the_whole_batch() -> None:
    later = replace(STREAM, started_at_s=101.5)
    figures = Latencies.of([later, STREAM]).figures()

    assert set(figures) == set(FIGURES)
    assert figures["throughput"] == 2.0
    assert (figures["first_token_p50"], figures["gap_p50"], figures["gap_p99"]) == (0.5, 0.25, 0.5)
    assert figures["whole_p90"] == 1.5


@pytest.mark.parametrize(
    "other",
    [
        replace(STREAM, status=503),
        replace(STREAM, status=None, outcome=Outcome.UNREACHABLE, arrivals=()),
        replace(STREAM, outcome=Outcome.CUT, elapsed_s=0.001),
        replace(STREAM, outcome=Outcome.TIMEOUT, elapsed_s=120.0),
        replace(STREAM, outcome=Outcome.CANCELLED, elapsed_s=0.001),
        unary_of("a b c ", 3, ASKED),
    ],
    ids=["refused", "unreachable", "cut", "late", "cancelled", "whole"],
)
def test_what_is_no_answered_stream_is_left_out(other: Record) -> None:
    """A stream that was cut at once counted as an answer of a millisecond."""
    assert Latencies.of([STREAM, other]) == Latencies.of([STREAM])


def test_nothing_answered_gives_no_figures() -> None:
    assert Latencies.of([]).figures() == {}


def test_pieces_are_counted_where_the_server_counts_no_tokens() -> None:
    uncounted = timed(good_chunks(["a ", "b "])[:-1], (1, 2, 3, 4), asked())

    assert Latencies.of([uncounted]).tokens == 2


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=200).map(sorted), st.sampled_from([50, 90, 99])
)
def test_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[float], share: int
) -> None:
    chosen = percentile(values, share)

    assert sum(value <= chosen for value in values) * 100 >= share * len(values)
    assert sum(value < chosen for value in values) * 100 < share * len(values)
