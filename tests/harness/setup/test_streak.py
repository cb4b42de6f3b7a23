"""Many runs in a row: the line of each, the last lines, the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ci.healthy import main
from ci.streak import WORDS, Ended, exit_code, last_lines, run_line

COUNTS = {"passed": 74, "failed": 0, "not_run": 0}
PASSED = {"verdict": "PASS", "counts": COUNTS, "failures": {}}
MESSAGE = "StepEnded [FAIL]: agg-0: rank 2\n  on node1: SIGKILL"
FAILED = {
    "verdict": "FAIL",
    "counts": {**COUNTS, "failed": 1},
    "failures": {"tests/agg/x.py::test_a": {"class": "FAIL", "message": MESSAGE}},
}
CUT = {"verdict": "INVALID", "finished": False, "counts": COUNTS, "failures": {}}


def _run(
    number: int, seconds: float, *, verdict: Mapping[str, Any] = PASSED, code: int = 0
) -> Ended:
    return Ended(number, verdict, code, seconds, Path(f"runs/{number}"))


def test_a_run_is_one_line_of_number_verdict_tests_and_seconds() -> None:
    line = run_line(_run(7, 18.24))

    assert line == "run  7: PASS: 74 passed, 0 failed, 0 not run; 18.2 s"


def test_the_line_of_a_red_run_has_pytest_s_exit_code() -> None:
    assert run_line(_run(8, 20, verdict=FAILED, code=1)).endswith(
        "1 failed, 0 not run; 20.0 s; exit 1"
    )
    assert run_line(_run(9, 1, verdict={}, code=4)) == (
        "run  9: INVALID: no verdict was written; 1.0 s; exit 4"
    )


def test_green_runs_end_with_their_number_the_median_and_the_longest() -> None:
    runs = [_run(1, 17.0), _run(2, 30.04), _run(3, 18.0)]

    assert last_lines(runs, 3) == ["3 green of 3; median 18.0 s, longest 30.0 s"]
    assert exit_code(runs, 3) == 0


def test_a_red_run_is_named_with_its_directory_and_first_failure_and_gives_the_exit_code() -> None:
    runs = [_run(1, 17), _run(2, 20, verdict=FAILED, code=1), _run(3, 18)]

    assert last_lines(runs, 3) == [
        (
            "run 2 is not green: runs/2: tests/agg/x.py::test_a: "
            "StepEnded [FAIL]: agg-0: rank 2 on node1: SIGKILL"
        ),
        "2 green of 3; median 18.0 s, longest 20.0 s",
    ]
    assert exit_code(runs, 3) == 1


@pytest.mark.parametrize(
    ("verdict", "code", "cause"),
    [
        ({**FAILED, "error": "NameTaken [CONFIG]: x"}, 12, ": NameTaken [CONFIG]: x"),
        (CUT, 124, "ended before its end, pytest ended with 124"),
        (PASSED, 3, "no test failed, pytest ended with 3"),
        ({}, 125, "no verdict was written, pytest ended with 125"),
    ],
)
def test_a_run_without_a_failed_test_says_how_it_ended(
    verdict: Mapping[str, Any], code: int, cause: str
) -> None:
    runs = [_run(1, 9, verdict=verdict, code=code)]

    assert last_lines(runs, 1)[0].endswith(cause)
    assert exit_code(runs, 1) == code


@pytest.mark.parametrize("verdict", [{}, {"verdict": "INVALID"}])
def test_a_run_that_is_not_pass_is_red_though_pytest_says_0(verdict: Mapping[str, Any]) -> None:
    assert exit_code([_run(1, 9, verdict=verdict)], 1) == 1


def test_runs_that_were_not_made_are_not_green() -> None:
    assert last_lines([_run(1, 9)], 20)[-1].startswith("1 green of 20; 19 did not run; ")
    assert last_lines([], 20) == ["0 green of 20; none has run"]
    assert exit_code([_run(1, 9)], 20) == exit_code([], 20) == exit_code([], 0) == 1


def test_a_long_failure_is_cut() -> None:
    long = {"verdict": "FAIL", "failures": {"t": {"message": "word " * WORDS}}}

    assert len(last_lines([_run(1, 9, verdict=long, code=1)], 1)[0]) < WORDS + 100


@pytest.mark.parametrize("text", ["0", "-3", "many"])
def test_a_number_of_runs_that_is_none_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--runs={text}"])

    assert ended.value.code == 2
    assert f"expected a number of runs from 1 on, seen {text}" in capsys.readouterr().err
