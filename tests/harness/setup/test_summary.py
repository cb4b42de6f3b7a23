"""The last line of a verb, and the exit code with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.check import Part, last_line
from ci.summary import exit_code_of, verdict_line

PASSED = {
    "verdict": "PASS",
    "counts": {"passed": 34, "failed": 0, "not_run": 0},
    "emulated": True,
}


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ``runs/x`` below the current one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    return folder


def test_a_rendered_run_ends_with_verdict_counts_engine_seconds_and_report(run_dir: Path) -> None:
    (run_dir / "report.html").touch()

    line = verdict_line(PASSED, 0, seconds=118.4, run_dir=run_dir)

    assert line == (
        "PASS: 34 passed, 0 failed, 0 not run; emulated engine; 118 s; report: runs/x/report.html"
    )


def test_a_run_on_gpus_does_not_say_emulated(run_dir: Path) -> None:
    line = verdict_line({**PASSED, "emulated": False}, 0, seconds=1, run_dir=run_dir)

    assert "emulated" not in line


def test_a_run_without_a_report_names_its_results(run_dir: Path) -> None:
    line = verdict_line(PASSED, 0, seconds=1, run_dir=run_dir)

    assert line.endswith("no report was rendered, the results: runs/x")


def test_a_run_without_a_verdict_is_invalid_and_says_how_pytest_ended(run_dir: Path) -> None:
    line = verdict_line({}, 4, seconds=1, run_dir=run_dir)

    assert line.startswith("INVALID: no verdict was written, pytest ended with 4; 1 s; ")


def test_a_run_that_was_cut_short_says_how_far_it_came(run_dir: Path) -> None:
    counts = {"passed": 12, "failed": 0, "interrupted": 1, "never_ran": 21}
    cut = {"verdict": "INVALID", "finished": False, "counts": counts, "emulated": True}

    assert verdict_line(cut, 137, seconds=1, run_dir=run_dir).startswith(
        "INVALID: ended before its end (12 passed, 0 failed, 1 interrupted, 21 never ran); emulated"
    )


@pytest.mark.parametrize(
    ("verdict", "code", "down_failed", "expected"),
    [
        (PASSED, 0, False, 0),
        (PASSED, 0, True, 1),
        ({}, 0, False, 1),
        ({"verdict": "INVALID"}, 0, False, 1),
        ({"verdict": "LEAK"}, 11, False, 11),
        ({"verdict": "LEAK"}, 11, True, 11),
    ],
)
def test_the_exit_code_is_pytest_s_unless_it_hides_something(
    verdict: dict[str, object], code: int, down_failed: bool, expected: int
) -> None:
    assert exit_code_of(verdict, code, down_failed=down_failed) == expected


def test_the_check_names_every_part_that_failed() -> None:
    parts = [Part("lint", 1, 0.2), Part("types", 0, 3.0), Part("agg", 12, 90.0)]

    assert last_line(parts, 93.2) == "FAILED: lint, agg (93 s)"
    assert last_line(parts[1:2], 3.0) == "PASS: types (3 s)"
