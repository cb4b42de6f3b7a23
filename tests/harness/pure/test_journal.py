"""The journal: what is in it when pytest is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.errors import ConfigError
from harness.journal import JOURNAL_FILE, Journal, Outcome, is_being_written, read_journal

TEST = "tests/agg/test_a.py::test_b[1]"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / JOURNAL_FILE


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """An open journal."""
    journal = Journal(path, "run-1")
    yield journal
    journal.close()


def test_a_line_is_there_for_others_as_soon_as_it_is_written(journal: Journal, path: Path) -> None:
    journal.start(TEST)

    assert [(entry.event, entry.test) for entry in read_journal(path)] == [
        ("begin", ""),
        ("start", TEST),
    ]


def test_an_outcome_is_read_as_it_was_written(journal: Journal, path: Path) -> None:
    journal.outcome(
        TEST, "call", Outcome.FAILED, verdict_class="LEAK", message="é \u2028 left", seconds=1.23456
    )

    entry = read_journal(path)[-1]
    assert (entry.test, entry.phase, entry.outcome) == (TEST, "call", Outcome.FAILED)
    assert (entry.verdict_class, entry.message, entry.seconds) == ("LEAK", "é \u2028 left", 1.235)


def test_a_run_is_known_by_its_id_and_its_end(journal: Journal, path: Path) -> None:
    journal.end(14)

    assert read_journal(path)[0].run_id == "run-1"
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["exit_status"] == 14


@pytest.mark.parametrize(
    "torn", ['{"at": 1.0, "event": "st', "[]", "null", '{"at": 1.0}', '{"at": "x", "event": "y"}']
)
def test_a_torn_line_takes_no_other_with_it(journal: Journal, path: Path, torn: str) -> None:
    journal.start(TEST)
    with path.open("a", encoding="utf-8") as file:
        file.write(torn)

    assert [entry.event for entry in read_journal(path)] == ["begin", "start"]


def test_without_a_file_nothing_was_noted(path: Path) -> None:
    assert read_journal(path) == []


def test_a_run_in_the_directory_of_an_earlier_one_begins_anew(path: Path) -> None:
    earlier = Journal(path, "run-1")
    earlier.start(TEST)
    earlier.close()
    Journal(path, "run-2").close()

    assert [entry.run_id for entry in read_journal(path)] == ["run-2"]


def test_a_second_run_does_not_get_the_journal_of_one_that_goes_on(
    journal: Journal, path: Path
) -> None:
    journal.start(TEST)

    with pytest.raises(ConfigError, match="another run that goes on writes"):
        Journal(path, "run-2")
    assert [entry.event for entry in read_journal(path)] == ["begin", "start"]


def test_whether_the_run_goes_on_is_seen_from_outside(path: Path) -> None:
    before = is_being_written(path)
    journal = Journal(path, "run-1")
    meanwhile = is_being_written(path)
    journal.close()

    assert (before, meanwhile, is_being_written(path)) == (False, True, False)


def test_a_silent_test_leaves_signs_of_life(path: Path) -> None:
    journal = Journal(path, "run-1", beat_s=0.01)
    journal.start(TEST)

    def alive() -> bool:
        return [entry.event for entry in read_journal(path)].count("alive") >= 2

    assert wait_until(alive, Deadline.after(10))
    journal.close()


@pytest.mark.parametrize(
    ("outcome", "synced"), [(Outcome.PASSED, 0), (Outcome.FAILED, 1), (Outcome.INTERRUPTED, 1)]
)
def test_only_what_is_grave_waits_for_the_disk(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, synced: int
) -> None:
    files: list[int] = []
    monkeypatch.setattr("os.fsync", files.append)

    journal.outcome(TEST, "call", outcome)
    assert len(files) == synced
