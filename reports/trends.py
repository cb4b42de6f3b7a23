"""What former runs came to: ``history.jsonl`` of Allure, a line a run, in a folder of the caller's.

Allure reads a draft, and adds this run to it. The file is replaced when the page is there: a report
that fails leaves it as it was, and a run that is rendered again is in it once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.errors import ReportError

HISTORY_FILE = "history.jsonl"
DAMAGED_FILE = "history.damaged"
RUNS_WITH_TESTS = 3
"""Runs of which a test's own history is shown; the history of the harness has the others'."""

KEPT = (
    "id", "historyId", "environment", "status", "start", "stop", "duration", "url", "reportLinks",
)  # fmt: skip
"""Members of a test of a former run that its history is drawn from."""

RUN = "run"
"""Member that this module adds to Allure's line: the name of the run directory."""


@dataclass(frozen=True)
class Trends:
    """The trends while a page is made: Allure works on ``draft``."""

    folder: Path
    draft: Path
    run: str

    @classmethod
    def read(cls, folder: Path, room: Path, *, run: str, say: Callable[[str], None]) -> Trends:
        """Copy the file into ``room``, without this run and without damaged lines.

        Damaged lines are put aside in ``history.damaged``, and said. Raises :class:`ReportError`
        for a folder that cannot be used.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lines = _lines(folder / HISTORY_FILE)
            whole = [line for line in lines if _run_of(line) is not None]
            damaged = [line for line in lines if _run_of(line) is None]
            if damaged:
                with (folder / DAMAGED_FILE).open("a", encoding="utf-8") as aside:
                    aside.writelines(f"{line}\n" for line in damaged)
                say(f"{len(damaged)} damaged lines of {HISTORY_FILE} put into {aside.name}")
        except OSError as error:
            hint = "name a folder that can be written, or leave --trends out"
            raise ReportError(
                f"the trends in {folder} cannot be kept: {error}", hint=hint
            ) from error
        draft = room / HISTORY_FILE
        former = [line for line in whole if _run_of(line) != run]
        draft.write_text("".join(f"{line}\n" for line in thinned(former)), encoding="utf-8")
        return cls(folder, draft, run)

    def keep(self) -> None:
        """Put the draft, with this run's line, in its place."""
        *former, mine = _lines(self.draft)
        line = json.dumps({**json.loads(mine), RUN: self.run})
        fresh = self.folder / f".{HISTORY_FILE}.{os.getpid()}"
        fresh.write_text("".join(f"{each}\n" for each in [*former, line]), encoding="utf-8")
        fresh.replace(self.folder / HISTORY_FILE)


def thinned(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines as they fit into a page: figures of all runs, tests of the last few.

    Allure puts all that it is given into every page. Whole, the lines of a month of nights made
    one of 38 MB.
    """
    for number, line in enumerate(lines):
        told = json.loads(line)
        is_late = number >= len(lines) - RUNS_WITH_TESTS
        tests = told["testResults"] if is_late else {}
        told["testResults"] = {name: _thin(test) for name, test in tests.items()}
        yield json.dumps(told)


def _thin(test: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in test.items() if name in KEPT} | {"labels": []}


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.split("\n") if line.strip()]


def _run_of(line: str) -> str | None:
    """Return the run of a line, ``""`` if it names none, ``None`` for a line that is damaged."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("testResults"), dict):
        return None
    return str(told.get(RUN, ""))
