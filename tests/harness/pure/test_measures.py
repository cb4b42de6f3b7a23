"""Figures of a run: in the file at once, and one line each for a person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.measures import MEASURES_FILE, Measure, Measures
from harness.rundir import RunDirectory

WINDOW = "client-visible window after prefill-1 was killed"


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run directory."""
    return RunDirectory.create(tmp_path / "run", "run")


def test_figure_is_in_the_file_as_soon_as_it_is_added(directory: RunDirectory) -> None:
    measures = Measures(directory)
    measures.add(WINDOW, 9.8, "s", limit=15, where="disagg-scaled", note="lease 10 s")
    first = json.loads((directory.path / MEASURES_FILE).read_text())
    added = measures.add("answers", 340, "")
    both = json.loads((directory.path / MEASURES_FILE).read_text())

    assert first == [
        {
            "name": WINDOW,
            "value": 9.8,
            "unit": "s",
            "limit": 15,
            "where": "disagg-scaled",
            "note": "lease 10 s",
            "floor": None,
            "detail": False,
        }
    ]
    assert both[:1] == first
    assert Measure(**both[1]) == added == Measure("answers", 340, "")


def test_line_says_where_what_how_much_and_the_limit(directory: RunDirectory) -> None:
    measures = Measures(directory)
    measures.add(WINDOW, 9.8, "s", limit=15, where="disagg-scaled", note="lease 10 s")

    assert measures.lines() == [f"disagg-scaled: {WINDOW}: 9.8 s (limit 15 s; lease 10 s)"]


def test_details_are_left_out_of_the_brief_lines_while_they_keep_their_limits(
    directory: RunDirectory,
) -> None:
    measures = Measures(directory)
    measures.add("whole_p90 at 8", 0.2, "s", detail=True)
    measures.add("whole_p99 at 8", 9.0, "s", limit=1, detail=True)
    measures.add("throughput at 8", 300, "tokens/s")

    assert [line.partition(":")[0] for line in measures.lines(brief=True)] == [
        "whole_p99 at 8",
        "throughput at 8",
    ]
    assert len(measures.lines()) == 3


def test_values_stand_below_each_other(directory: RunDirectory) -> None:
    measures = Measures(directory)
    measures.add("start", 62.25, "s", where="agg")
    measures.add("requests sent", 340, "")

    assert measures.lines() == [
        "agg: start:    62.2 s",
        "requests sent: 340",
    ]


@pytest.mark.parametrize(
    ("measure", "figure"),
    [
        (Measure("n", 1.0, "s"), "1 s"),
        (Measure("n", 0.01234, "s"), "0.0123 s"),
        (Measure("n", 999.7, "s"), "1000 s"),
        (Measure("n", 1234567.8, "B"), "1234568 B"),
        (Measure("n", -2.5, "s"), "-2.5 s"),
        (Measure("n", 0.0, "s", limit=0.0), "0 s (limit 0 s)"),
        (Measure("n", 1.0, "s", note="once"), "1 s (once)"),
        (Measure("n", 15.001, "s", limit=15), "15 s (OVER its limit of 15 s)"),
        (Measure("n", 4.0, "s", floor=4), "4 s (floor 4 s)"),
        (Measure("n", 3.9, "s", floor=4), "3.9 s (BELOW its floor of 4 s)"),
        (Measure("n", 3.9, "s", limit=9, floor=4), "3.9 s (BELOW its floor of 4 s)"),
        (Measure("n", 9.1, "s", limit=9, floor=4), "9.1 s (OVER its limit of 9 s)"),
        (Measure("n", 5.0, "s", limit=9, floor=4), "5 s (limit 9 s)"),
        (Measure("n", float("nan"), "s", floor=4), "nan s (BELOW its floor of 4 s)"),
        (Measure("n", float("nan"), "s", limit=15), "nan s (OVER its limit of 15 s)"),
    ],
    ids=str,
)
def test_figure_is_short_and_says_when_a_limit_is_broken(measure: Measure, figure: str) -> None:
    assert measure.figure == figure
    assert measure.within_limit == ("OVER" not in figure and "BELOW" not in figure)


def test_run_without_figures_has_no_lines_and_no_file(directory: RunDirectory) -> None:
    assert Measures(directory).lines() == []
    assert not (directory.path / MEASURES_FILE).exists()
