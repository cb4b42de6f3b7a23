"""The history: appended to whole, read past what is corrupt, and which tests are flaky."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import InfraError
from harness.qualification import history
from harness.qualification.flakes import flakes
from harness.qualification.history import PastRun, append, past_run, read_history
from harness.qualification.saved import saved_run
from tests.harness.pure.qualification.kit import AGG, DISAGG, Run, ended

SAME = {"suite_commit": "abc1234", "image": "one"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "history.jsonl"


def past(run_id: str, facts: Mapping[str, str] = SAME, /, **tests: str) -> PastRun:
    return PastRun(run_id, at=1.0, verdict="PASS", facts=facts, tests=tests)


def test_a_run_is_read_back_as_it_was_added(file: Path, tmp_path: Path) -> None:
    run = Run([AGG, ended(DISAGG, "FAIL", "x")], at=1000.0).write(tmp_path / "run-a")
    append(file, past_run(saved_run(run)))
    [back] = read_history(file).runs

    assert (back.run_id, back.at, back.verdict) == ("run-a", 1000.0, "FAIL")
    assert back.tests == {AGG.id: "passed", DISAGG.id: "failed"}
    assert back.topologies == ("agg", "disagg")
    assert back.facts["engine_config_agg"] == "/mnt/agg.yaml sha256:0011"
    assert "command" not in back.facts


def test_a_run_is_there_once(file: Path) -> None:
    assert append(file, past("a")) is True
    assert append(file, past("a")) is False
    assert len(read_history(file).runs) == 1


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "null", '"x"', '{"schema": 1}', '{"schema": 9, "run_id": "z"}', "\x00\x00"],
)
def test_a_corrupt_line_is_told_and_never_lost(file: Path, line: str) -> None:
    append(file, past("a"))
    with file.open("a", encoding="utf-8") as text:
        text.write(line + "\n")
    append(file, past("b"))
    found = read_history(file)

    assert [run.run_id for run in found.runs] == ["a", "b"]
    assert found.faults[0].startswith(f"{file}:2: left out, it is no line of a history (")
    assert line in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("at", ["1e300", "NaN", "Infinity", '"soon"'])
def test_a_line_whose_time_is_none_is_told(file: Path, at: str) -> None:
    append(file, past("a"))
    line = json.loads(file.read_text(encoding="utf-8"))
    told = json.dumps({**line, "at": "AT"}).replace('"AT"', at)
    file.write_text(f"{told}\n", encoding="utf-8")
    found = read_history(file)

    assert found.runs == ()
    assert found.faults[0].startswith(f"{file}:1: left out, it is no line of a history (")


def test_a_whole_line_of_another_schema_is_left_out(file: Path) -> None:
    append(file, past("a"))
    text = file.read_text(encoding="utf-8").replace('"schema":1', '"schema":2')
    file.write_text(text, encoding="utf-8")
    found = read_history(file)

    assert found.runs == ()
    assert "schema 2, not 1" in found.faults[0]


def test_a_torn_last_line_is_not_joined_to_the_next(file: Path) -> None:
    append(file, past("a"))
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole + whole[:40], encoding="utf-8")
    append(file, past("b"))
    found = read_history(file)

    assert [run.run_id for run in found.runs] == ["a", "b"]
    assert len(found.faults) == 1


def test_writers_at_the_same_time_lose_nothing(file: Path) -> None:
    threads = [
        threading.Thread(target=append, args=(file, past(f"run-{number}"))) for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_history(file)

    assert {run.run_id for run in found.runs} == {f"run-{number}" for number in range(16)}
    assert found.faults == ()


def test_a_lock_that_is_kept_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LOCK_S", 0.1)
    append(file, past("a"))
    with file.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InfraError, match="another writer has kept its lock"):
            append(file, past("b"))

    assert len(file.read_text(encoding="utf-8").splitlines()) == 1


def test_no_file_is_an_empty_history(file: Path) -> None:
    assert read_history(file).runs == ()


def test_a_line_is_one_line_whatever_a_test_is_called(file: Path) -> None:
    append(file, past("a", **{"x[\u2028\n]": "passed"}))

    assert json.loads(file.read_text(encoding="utf-8"))["tests"] == {"x[\u2028\n]": "passed"}
    assert len(read_history(file).runs) == 1


def test_a_change_without_a_change_is_a_flake() -> None:
    [found] = flakes([past("a", x="passed", y="passed"), past("b", x="failed", y="passed")])

    assert (found.test, found.outcomes, found.failed) == ("x", ("passed", "failed"), 1)


def test_a_retry_that_passes_does_not_undo_a_failure() -> None:
    [found] = flakes([past("a", x="failed"), past("b", x="passed"), past("c", x="passed")])

    assert (found.failed, len(found.runs)) == (1, 3)


@pytest.mark.parametrize(
    "other",
    [
        {**SAME, "suite_commit": "def5678"},
        {**SAME, "image": "two"},
        {**SAME, "engine_config_agg": "sha256:1"},
        {**SAME, "dynamo_release": "2"},
    ],
)
def test_a_change_of_what_was_tested_is_no_flake(other: dict[str, str]) -> None:
    assert flakes([past("a", x="passed"), past("b", other, x="failed")]) == ()


@pytest.mark.parametrize("commit", ["abc-dirty", "unknown", ""])
def test_runs_of_an_unknown_state_are_not_taken_for_the_same(commit: str) -> None:
    facts = {**SAME, "suite_commit": commit}
    runs = [past("a", facts, x="passed"), past("b", facts, x="failed")]

    assert flakes(runs) == ()


@pytest.mark.parametrize("outcome", ["not run", "skipped", "interrupted", "never ran"])
def test_what_said_nothing_is_no_outcome(outcome: str) -> None:
    assert flakes([past("a", x="passed"), past("b", x=outcome)]) == ()
