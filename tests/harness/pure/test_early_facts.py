"""What was tested is on disk before the run has ended, and is asked for seldom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures.journal import JournalKeeper
from fixtures.run import RunState
from harness.journal import Journal
from harness.rundir import RunDirectory


@dataclass
class Run:
    """As much of a run as is asked for facts."""

    looked: bool = False
    live: Any = None
    asked: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, str]:
        """Say what is known, and note that it was asked."""
        self.asked.append(self.live.name if self.live else "nodes")
        return {"engine": "1.3.0rc22+emulated" if self.live else "none seen"}


@pytest.fixture
def run() -> Run:
    """A run of which nothing is known yet."""
    return Run()


@pytest.fixture
def keeper(tmp_path: Path, run: Run) -> Iterator[JournalKeeper]:
    """The keeper of the run's journal."""
    state = RunState("run-1", RunDirectory.create(tmp_path / "run-1", "run-1"), cast(Any, run))
    journal = Journal(tmp_path / "journal.jsonl", "run-1")
    yield JournalKeeper(journal, state)
    journal.close()


def test_nothing_is_told_before_anything_was_seen(keeper: JournalKeeper, run: Run) -> None:
    keeper.pytest_runtest_logfinish()

    assert run.asked == []


def test_facts_come_with_the_nodes_and_with_each_deployment(
    keeper: JournalKeeper, run: Run, tmp_path: Path
) -> None:
    run.looked = True
    keeper.pytest_runtest_logfinish()
    for name in ("agg", "agg", "disagg"):
        run.live = SimpleNamespace(name=name)
        keeper.pytest_runtest_logfinish()

    assert run.asked == ["nodes", "agg", "disagg"]
    facts = json.loads((tmp_path / "run-1" / "facts.json").read_text(encoding="utf-8"))
    assert facts["engine"] == "1.3.0rc22+emulated"
