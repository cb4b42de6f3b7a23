"""Two runs beside each other: tests, figures, facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.measures import Measure
from harness.qualification.comparison import Comparison, compare
from harness.qualification.deltas import Change, deltas, shown
from harness.qualification.saved import saved_run
from tests.harness.pure.qualification.kit import AGG, DISAGG, FACTS, Run, ended, measure


def compared(folder: Path, before: Run, after: Run) -> Comparison:
    after.run_id = "run-b"
    return compare(saved_run(before.write(folder / "a")), saved_run(after.write(folder / "b")))


def parts(found: Comparison) -> dict[str, list[str]]:
    return {name: [each.test for each in tests] for name, tests in found.parts.items() if tests}


@pytest.mark.parametrize(
    ("before", "after", "part", "regressed"),
    [
        ("passed", "FAIL", "regressed", True),
        ("passed", "not run", "regressed", True),
        ("passed", "never ran", "regressed", True),
        ("passed", "skipped", "not asked any more", False),
        ("FAIL", "passed", "fixed", False),
        ("FAIL", "LEAK", "failing otherwise", False),
        ("FAIL", "FAIL", "still failing", False),
        ("not run", "FAIL", "", False),
        ("passed", "passed", "", False),
    ],
)
def test_each_change_has_its_place(
    tmp_path: Path, before: str, after: str, part: str, regressed: bool
) -> None:
    found = compared(tmp_path, Run([ended(AGG, before)]), Run([ended(AGG, after)]))

    assert parts(found) == ({part: [AGG.id]} if part else {})
    assert found.has_regressed is regressed


def test_tests_come_and_go(tmp_path: Path) -> None:
    found = compared(tmp_path, Run([AGG]), Run([ended(DISAGG, "FAIL", "x")]))

    assert parts(found) == {"new": [DISAGG.id], "gone": [AGG.id]}
    assert found.has_regressed is False


def test_a_regression_is_told_with_classes_and_cause(tmp_path: Path) -> None:
    broken = ended(AGG, "FAIL", "Hang [FAIL]: no answer\ncause id: cause-2")
    lines = list(compared(tmp_path, Run([AGG]), Run([broken])).lines())

    assert (
        f"regressed: {AGG.id} on agg: passed -> failed [FAIL]: cause-2: Hang [FAIL]: no answer"
        in lines
    )
    assert lines[0] == "run-a (PASS) -> run-b (FAIL)"
    assert lines[-1] == "regressed (1 regressed)"


def test_what_could_not_be_asked_is_counted_by_its_cause(tmp_path: Path) -> None:
    why = "agg is not there: cause-1: Hang"
    after = Run([ended(AGG, "not run", why), ended(DISAGG, "not run", why)])
    found = compared(tmp_path, Run(), after)

    assert list(found.lines())[1:] == [
        f"regressed: 2 tests, passed -> not run: {why}",
        "regressed (2 regressed)",
    ]


def test_a_long_reason_is_cut_in_the_text_and_whole_in_the_data(tmp_path: Path) -> None:
    found = compared(tmp_path, Run([AGG]), Run([ended(AGG, "FAIL", "x" * 999)]))

    assert max(map(len, found.lines())) < 500
    assert found.as_json()["tests"]["regressed"][0]["reason"] == "x" * 999


def test_what_the_runs_were_of_is_compared(tmp_path: Path) -> None:
    other: Mapping[str, str] = {**FACTS, "image": "/images/two.sqsh", "job": "9", "command": "x"}
    found = compared(tmp_path, Run(), Run(facts=other))

    assert found.facts == {"image": ("/images/one.sqsh", "/images/two.sqsh")}


def test_a_figure_that_leaves_its_limit_is_a_regression(tmp_path: Path) -> None:
    before, after = measure("window", 9.0, limit=15.0), measure("window", 16.0, limit=15.0)
    found = compared(tmp_path, Run(measures=[before]), Run(measures=[after]))

    assert found.has_regressed
    assert "figure agg: window: 9 s -> 16 s (+78%), now outside its limit" in found.lines()


BASE = Measure("x", 10.0, "s")


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (BASE, replace(BASE, value=20.0), Change.OTHER),
        (BASE, replace(BASE, value=10.9), Change.SAME),
        (replace(BASE, limit=50.0), replace(BASE, limit=50.0, value=20.0), Change.WORSE),
        (replace(BASE, limit=50.0), replace(BASE, limit=50.0, value=5.0), Change.BETTER),
        (replace(BASE, floor=1.0), replace(BASE, floor=1.0, value=20.0), Change.BETTER),
        (replace(BASE, floor=1.0), replace(BASE, floor=1.0, value=5.0), Change.WORSE),
        (
            replace(BASE, name="throughput at 8"),
            replace(BASE, name="throughput at 8", value=5.0),
            Change.WORSE,
        ),
        (
            replace(BASE, name="first_token_p50 at 8"),
            replace(BASE, name="first_token_p50 at 8", value=5.0),
            Change.BETTER,
        ),
        (replace(BASE, limit=5.0), replace(BASE, limit=5.0, value=4.0), Change.INSIDE),
        (replace(BASE, value=0.0), replace(BASE, value=1.0), Change.OTHER),
    ],
)
def test_better_and_worse_are_said_only_where_known(
    before: Measure, after: Measure, change: Change
) -> None:
    [found] = deltas([before], [after])

    assert found.change is change


def test_figures_of_one_name_are_told_apart_by_unit_and_order() -> None:
    found = deltas([BASE, replace(BASE, value=30.0), replace(BASE, unit="MiB")], [BASE, BASE])

    assert [each.change for each in found] == [Change.SAME, Change.OTHER, Change.GONE]
    assert [each.change for each in shown(found)] == [Change.OTHER, Change.GONE]
