"""The proof of a clean shutdown: what was seen alive, how it stopped, and what was left."""

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
"""Seconds that GPU memory may take to come back after the last process has ended.

The driver reclaims in the background; some seconds have been seen, never a minute.
"""


@dataclass(frozen=True)
class Shutdown:
    """The facts of one shutdown; ``settled_s`` is how many seconds GPU memory was waited for."""

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
        """Raise :class:`~harness.errors.ResidueError` for what was left, of these kinds or any."""
        left = [each for each in self.residue if not kinds or each.kind in kinds]
        if left:
            raise leftovers(left, f"{self.settled_s:.0f} s after the last step ended")


def leftovers(left: Sequence[Residue], moment: str) -> ResidueError:
    """Return the error that lists what was left: the first few in words, the rest as a number."""
    return ResidueError(f"{len(left)} left {moment}:\n{in_words(left)}")


def shut_down(
    deployment: Deployment,
    *,
    snapshot: Callable[[str], Snapshot],
    residue: Callable[[Snapshot], Sequence[Residue]],
    steps: Callable[[], Sequence[StepRow]],
) -> Shutdown:
    """Stop a deployment in order and collect the facts; ``residue(after)`` lists what was left."""
    names = {step.name for step in deployment.steps}
    running = snapshot("running")
    workers = deployment.stop_workers(list(deployment.workers))
    instances, models = deployment.instances(), deployment.frontend.models()
    services = deployment.stop_services()

    deadline = Deadline.after(GPU_MEMORY_BACK_S)
    after, left = _settle(snapshot, residue, deadline)
    return Shutdown(
        running=running,
        after=after,
        workers=tuple(workers),
        services=services,
        instances_left=tuple(instances),
        models_left=tuple(models),
        steps_left=tuple(row for row in steps() if row.name in names),
        residue=tuple(left),
        settled_s=deadline.elapsed_s,
    )


def _settle(
    snapshot: Callable[[str], Snapshot],
    residue: Callable[[Snapshot], Sequence[Residue]],
    deadline: Deadline,
) -> tuple[Snapshot, Sequence[Residue]]:
    """Probe until no GPU memory is left above the baseline, the only thing that may come late."""
    seen: list[tuple[Snapshot, Sequence[Residue]]] = []

    def look() -> bool:
        after = snapshot("after")
        seen.append((after, residue(after)))
        return all(each.kind is not ResidueKind.GPU_MEMORY for each in seen[-1][1])

    wait_until(look, deadline, poll_s=1.0)
    return seen[-1]
