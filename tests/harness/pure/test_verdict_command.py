"""``python -m harness verdict``: of finished runs, of killed ones, and of what is no run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.journal import JOURNAL_FILE, Journal, Outcome

PLAN = [{"id": "a::one", "stage": "serve"}, {"id": "a::two", "stage": "serve"}]


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run that was killed in its first test."""
    (tmp_path / "tests.json").write_text(json.dumps(PLAN), encoding="utf-8")
    journal = Journal(tmp_path / JOURNAL_FILE, "run-1")
    journal.start("a::one")
    journal.close()
    return tmp_path


def test_a_killed_run_is_judged_and_its_verdict_kept(
    killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["verdict", str(killed)])

    kept = json.loads((killed / "verdict.json").read_text(encoding="utf-8"))
    assert code == 14
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "interrupted here: a::one",
        "the run ended before its end",
        "verdict: INVALID (0 passed, 0 failed, 1 interrupted, 1 never ran, 0 s)",
    ]
    assert (kept["finished"], kept["interrupted"], kept["run_id"]) == (False, "a::one", "run-1")


def test_a_second_look_gives_the_same(killed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = main(["verdict", str(killed)]), capsys.readouterr().out
    again = main(["verdict", str(killed)]), capsys.readouterr().out

    assert first == again


def test_a_failure_before_the_kill_gives_the_exit_code(killed: Path) -> None:
    journal = Journal(killed / JOURNAL_FILE, "run-1")
    journal.outcome("a::one", "call", Outcome.FAILED, verdict_class="LEAK", message="left")
    journal.close()

    assert main(["verdict", str(killed)]) == 11


def test_the_verdict_of_a_finished_run_is_printed_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps({"verdict": "PASS", "counts": {"passed": 34}, "emulated": True, "seconds": 9})
    (tmp_path / "verdict.json").write_text(text, encoding="utf-8")

    assert main(["verdict", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        "verdict: PASS (34 passed, 0 failed, 0 not run, "
        "emulated engine: not a release verdict, 9 s)\n"
    )
    assert (tmp_path / "verdict.json").read_text(encoding="utf-8") == text


def test_a_run_that_goes_on_gets_no_verdict(
    killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(killed / JOURNAL_FILE, "run-1")

    assert main(["verdict", str(killed)]) == 2
    assert "the run goes on" in capsys.readouterr().err
    assert not (killed / "verdict.json").exists()
    journal.close()


def test_a_folder_that_is_no_run_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verdict", str(tmp_path)]) == 2
    assert "no record of its tests" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["nonsense"]])
def test_a_command_that_does_not_exist_is_answered_with_those_that_do(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "verdict" in capsys.readouterr().err
