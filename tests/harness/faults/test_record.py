"""How a run is held against what must be said, and how the record shows it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.settings import PROJECT_ROOT
from testbed.faults.fault import Fault, Layer, Said
from tests.harness.faults.outcome import Outcome, missed
from tests.harness.faults.results import WORDS, Row, anonymous, read_rows
from tests.harness.faults.track_record import record

CAUSE = "StepEnded [FAIL]: agg-0: rank 9 on node3: SIGKILL (exit code 137) after 3.1 s"
SAID = Said(("FAIL",), patterns=("SIGKILL",), node="node3", rank=9, within_s=5.0)
FAULT = Fault("rank-dies", (5, 45), "A rank dies.", Layer.ENGINE, SAID)


def _outcome(
    *,
    verdict: str = "FAIL",
    exit_code: int = 1,
    cause: str = CAUSE,
    after_s: float | None = 3.2,
) -> Outcome:
    return Outcome(verdict, exit_code, cause, after_s)


def test_what_is_said_as_it_must_be_misses_nothing() -> None:
    assert missed(_outcome(), SAID) == []


def test_a_missing_rank_is_named() -> None:
    cause = CAUSE.replace("rank 9", "13 of 16 ranks loaded, missing 3, 9, 14")

    assert missed(_outcome(cause=cause), SAID) == []


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (_outcome(verdict="INFRA", exit_code=13), "class INFRA instead of FAIL"),
        (_outcome(exit_code=0), "exit code 0 with class FAIL"),
        (
            _outcome(cause=CAUSE.replace("SIGKILL", "SIGSEGV")),
            "'SIGKILL' is not in the first cause",
        ),
        (_outcome(cause=CAUSE.replace("node3", "node4")), "node3 is not named"),
        (
            _outcome(cause=f"{CAUSE} (step 1.2, node3, node4)".replace("on node3", "")),
            "node3 is not named",
        ),
        (_outcome(cause=CAUSE.replace("rank 9", "rank 90")), "rank 9 is not named"),
        (_outcome(after_s=5.1), "detected after 5.1 s instead of 5 s"),
        (_outcome(after_s=None), "detected after not noted instead of 5 s"),
    ],
)
def test_each_thing_that_is_missed_is_named(outcome: Outcome, words: str) -> None:
    assert missed(outcome, SAID) == [words]


def test_messages_are_shown_without_places_of_one_run() -> None:
    text = f"log: {PROJECT_ROOT}/runs\n/var/tmp/faults-1/runs/run-3/logs of 20261125T193820-2-809b"

    assert anonymous(text) == "log: <checkout>/runs <run>/logs of <id>"
    assert len(anonymous("word " * WORDS)) <= WORDS + len(" ...")


def test_rows_of_an_older_suite_are_read(tmp_path: Path) -> None:
    row = Row("rank-dies", "FAIL", "SIGKILL", 3.2, [])
    (tmp_path / "rank-dies.json").write_text(json.dumps({**asdict(row), "day": "2026-11-25"}))

    assert read_rows(tmp_path) == [row]


def test_record_has_a_row_for_each_fault_run_or_not() -> None:
    row = Row("rank-dies", "INFRA", "a | b", 3.2, ["class INFRA"])

    ran, never = record({"rank-dies": FAULT}, {"rank-dies": row}), record({"rank-dies": FAULT}, {})

    assert "| `rank-dies` | 5, 45 | engine | INFRA | a \\| b | 3.2 | no |" in ran
    assert "| `rank-dies` | class INFRA | not known yet |" in ran
    assert "| `rank-dies` | 5, 45 | engine | - | did not run | - | - |" in never
