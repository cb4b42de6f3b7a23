"""The proof of a clean shutdown: what was seen while the workers lived, how they stopped, what was left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.deadline import Deadline, wait_until
from harness.dynamo.deployment import Deployment
from harness.dynamo.discovery import Instance
from harness.dynamo.stop import StopReport
from harness.errors import ResidueError
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.snapshot import Snapshot
from harness.nodes.words import in_words
from harness.slurm.words import StepRow

GPU_MEMORY_BACK_S = 60.0
"""Seconds that GPU memory may take to come back after the last process has ended. The driver reclaims in the
background; some seconds have been seen, never a minute."""


@dataclass(frozen=True)
class Shutdown:
    """The facts of one shutdown. ``settled_s`` is how long GPU memory was waited for, in seconds."""

    running: Snapshot
    after: Snapshot
    workers: tuple[StopReport, ...]
    services: StopReport
    instances_left: tuple[Instance, ...]
    models_left: tuple[str, ...]
    steps_left: tuple[StepRow, ...]
    residue: tuple[Residue, ...]
    settled_s: float

    def check_nothing_left(self, *kinds: ResidueKind) -> None:
        """Raise :class:`~harness.errors.ResidueError` for what was left, of these kinds or of any."""
        left = [each for each in self.residue if not kinds or each.kind in kinds]
        if left:
            raise leftovers(left, f"{self.settled_s:.0f} s after the last step ended")


def leftovers(left: Sequence[Residue], moment: str) -> ResidueError:
    """Return the error that lists what was left: the first few in words, the rest as a number."""
    return ResidueError(f"{len(left)} left {moment}:\n{in_words(left)}")
