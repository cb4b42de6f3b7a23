"""What a run was told to leave out: ``selection.json``, written before its first test.

``collected_from`` are the files and folders that pytest was given, relative to the project;
``ignored`` what ``--ignore`` left out of them; ``left_out`` the tests that were collected and not
wanted (``-m``, ``-k``, ``--deselect``). A test that stands nowhere else was never asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.planned import PlannedTest

OPTIONAL_STAGE = "cycles"
"""The stage of tests that only ``--cycles`` makes."""

SELECTION_FILE = "selection.json"


@dataclass(frozen=True)
class Selection:
    """What was collected, and which tests of it the run was not to run."""

    collected_from: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    left_out: tuple[PlannedTest, ...] = ()

    def covers(self, folder: str) -> bool:
        """Whether all tests below a folder of the project, as ``tests/agg``, were collected."""
        wanted = PurePosixPath(folder)
        above = {wanted.as_posix(), *(each.as_posix() for each in wanted.parents)}
        return not self.ignored and bool(above & set(self.collected_from))

    @property
    def needed(self) -> tuple[PlannedTest, ...]:
        """The tests that were left out, but for those that only an option makes."""
        return tuple(test for test in self.left_out if test.stage != OPTIONAL_STAGE)

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``selection.json``."""
        return asdict(self)


def read_selection(path: Path) -> Selection | None:
    """Return what was selected; ``None`` when there is no such file or it cannot be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Selection(
            _texts(told["collected_from"]),
            _texts(told["ignored"]),
            tuple(_left_out(each) for each in told["left_out"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _left_out(told: Any) -> PlannedTest:
    return PlannedTest(
        str(told["id"]),
        topology=str(told["topology"]),
        stage=str(told["stage"]),
        promise=str(told["promise"]),
        marks=_texts(told["marks"]),
    )


def _texts(told: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, told))
