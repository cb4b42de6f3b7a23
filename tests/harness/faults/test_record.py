"""How a run is held against what must be said, and how the record shows it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.settings import PROJECT_ROOT
from testbed.faults.fault import Fault, Layer, Said
from tests.harness.faults import results
from tests.harness.faults.outcome import Outcome, missed
from tests.harness.faults.results import WORDS, Row, anonymous, forget_row, read_rows, write_row
from tests.harness.faults.track_record import main, record, wrong_rows

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


def _row(*, missed: Sequence[str] = ()) -> Row:
    return Row("rank-dies", "INFRA", "a | b", 3.2, missed)


def test_record_has_a_row_for_each_fault_run_or_not() -> None:
    row = _row(missed=["class INFRA"])

    ran, never = record({"rank-dies": FAULT}, {"rank-dies": row}), record({"rank-dies": FAULT}, {})

    assert "| `rank-dies` | 5, 45 | engine | INFRA | a \\| b | 3.2 | no |" in ran
    assert "| `rank-dies` | class INFRA | not known yet |" in ran
    assert "| `rank-dies` | 5, 45 | engine | - | did not run | - | - |" in never
    assert "\n1 faults, 1 run, 0 told as they must be.\n" in ran
    assert "\n1 faults, 0 run, 0 told as they must be.\n" in never


@pytest.mark.parametrize(
    ("rows", "known", "wrong"),
    [
        ({"rank-dies": _row()}, {}, []),
        ({"rank-dies": _row(missed=["class INFRA"])}, {"rank-dies": "why"}, []),
        ({}, {}, ["rank-dies: did not run"]),
        ({}, {"rank-dies": "why"}, ["rank-dies: did not run"]),
        ({"rank-dies": _row(missed=["a", "b"])}, {}, ["rank-dies: a; b"]),
        (
            {"rank-dies": _row()},
            {"rank-dies": "why"},
            ["rank-dies: told as it must be; it is no known miss any more"],
        ),
    ],
)
def test_all_is_well_when_each_fault_ran_and_was_told_save_those_that_are_known(
    rows: dict[str, Row], known: dict[str, str], wrong: list[str]
) -> None:
    assert wrong_rows({"rank-dies": FAULT}, rows, known) == wrong


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results are kept meanwhile."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "faults")
    return tmp_path / "faults"


def test_rows_of_an_earlier_run_are_left_out_if_asked_for(folder: Path) -> None:
    write_row(FAULT, _outcome(), [])
    os.utime(folder / "rank-dies.json", (100.0, 100.0))

    assert [row.name for row in read_rows(folder)] == ["rank-dies"]
    assert read_rows(folder, since=101.0) == []


def test_a_fault_whose_run_comes_to_nothing_has_no_row_of_an_earlier_one(folder: Path) -> None:
    write_row(FAULT, _outcome(), [])
    forget_row(FAULT)
    forget_row(FAULT)

    assert read_rows(folder) == []


def test_a_record_of_all_faults_fails_while_one_has_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "record.md"

    assert main(["--record", str(file), "--since", "1e12", "--all"]) == 1
    assert "rank-killed-serving: did not run" in capsys.readouterr().out.splitlines()
    assert "| `rank-killed-serving` | 5 | engine | - | did not run | - | - |" in file.read_text(
        encoding="utf-8"
    )
    assert main(["--record", str(file), "--since", "1e12"]) == 0
