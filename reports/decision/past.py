"""What earlier runs say about a run: what changed since them, and which tests are flaky."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.qualification.earlier import Changes, changes
from harness.qualification.flakes import Flake, flakes
from harness.qualification.history import readable_history
from harness.qualification.saved import SavedRun


@dataclass(frozen=True)
class Past:
    """``asked`` says whether a history was named at all."""

    asked: bool = False
    changes: Changes = field(default_factory=Changes)
    flakes: tuple[Flake, ...] = ()


def past_of(saved: SavedRun, history: Path | None) -> Past:
    """Read what the history says; a history that cannot be read says so, and nothing else."""
    if history is None:
        return Past()
    read = readable_history(history)
    return Past(asked=True, changes=changes(saved, read), flakes=flakes(read.runs))
