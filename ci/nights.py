"""The archive of the nightly job: one folder for each start of a night, which is its run directory.

::

    <archive>/<UTC time>-<job id>[.<restart>]/
        nightly.json                    what was started, by which job, and how it ended
        report.html  verdict.json  junit.xml  summary.md  allure-results/  logs/  ...
    <archive>/history.jsonl             all nights, one line each, also those that were deleted
    <archive>/trends/                   what the reports show trends from
    <archive>/latest                    the newest

The run writes where it is kept, so nothing is lost by being copied too late. A start whose
``nightly.json`` has no ``exit_code`` is still at work, or was killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

NIGHT_FILE = "nightly.json"
SUMMARY_FILE = "summary.md"
HISTORY_FILE = "history.jsonl"
TRENDS_FOLDER = "trends"
FOLDER = re.compile(r"\d{8}T\d{6}-(?P<job>\w+)(\.\d+)?")
PASSED = 0


@dataclass(frozen=True)
class Night:
    """One start of a nightly job; ``started_at`` in seconds since the epoch.

    ``exit_code`` is the verdict's, ``None`` until all is written; ``stopped`` says what cut it
    short, ``pytest_exit_code`` is ``None`` where pytest did not come to its end.
    """

    folder: Path
    job: str
    restart: int
    command: tuple[str, ...]
    started_at: float
    exit_code: int | None = None
    pytest_exit_code: int | None = None
    stopped: str = ""

    @property
    def ended(self) -> bool:
        """Whether its verdict is written."""
        return self.exit_code is not None

    def write(self) -> None:
        """Write ``nightly.json``, whole or not at all."""
        facts = {name: value for name, value in asdict(self).items() if name != "folder"}
        draft = self.folder / f".{NIGHT_FILE}.{os.getpid()}"
        draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        draft.replace(self.folder / NIGHT_FILE)

    def end(self, exit_code: int) -> Night:
        """Note how it ended."""
        ended = replace(self, exit_code=exit_code)
        ended.write()
        return ended


def folder_name(now: datetime, *, job: str, restart: int) -> str:
    """Return the name of a start's folder; names sort by time, ``now`` is UTC."""
    again = f".{restart}" if restart else ""
    return f"{now.strftime('%Y%m%dT%H%M%S')}-{job}{again}"


def read_nights(archive: Path) -> list[Night]:
    """Return what the archive holds, oldest first; what is no night of ours is left out."""
    if not archive.is_dir():
        return []
    folders = sorted(each for each in archive.iterdir() if FOLDER.fullmatch(each.name))
    return [night for each in folders if (night := _read(each)) is not None]


def _read(folder: Path) -> Night | None:
    try:
        facts = json.loads((folder / NIGHT_FILE).read_text(encoding="utf-8"))
        return _night(folder, facts)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # somebody else's folder, or damaged: not ours to judge or to delete


def _night(folder: Path, facts: Mapping[str, Any]) -> Night:
    return Night(
        folder,
        str(facts["job"]),
        int(facts["restart"]),
        tuple(str(word) for word in facts["command"]),
        float(facts["started_at"]),
        exit_code=facts["exit_code"],
        pytest_exit_code=facts["pytest_exit_code"],
        stopped=str(facts["stopped"]),
    )


def to_drop(nights: Sequence[Night], keep: int) -> list[Night]:
    """Return the starts, oldest first, that are beyond the newest ``keep`` nights.

    The starts of one job are one night. The newest one that passed stays however old it is: it is
    what a bad night is compared with. So does one that has not ended.
    """
    jobs = [list(starts) for _, starts in groupby(nights, key=lambda night: night.job)]
    old = [night for starts in jobs[: max(0, len(jobs) - keep)] for night in starts]
    good = next((night for night in reversed(nights) if night.exit_code == PASSED), None)
    return [night for night in old if night.ended and night is not good]


def drop(nights: Sequence[Night]) -> list[str]:
    """Delete the folders of nights; return what kept one, in words."""
    problems = []
    for night in nights:
        try:
            shutil.rmtree(night.folder)
        except OSError as kept:
            problems.append(f"{night.folder} cannot be deleted: {kept.strerror or kept}")
    return problems
