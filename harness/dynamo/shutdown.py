"""The proof of a clean shutdown: what was seen alive, how it stopped, and what was left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.dynamo.deployment import Deployment
from harness.dynamo.discovery import Instance
from harness.dynamo.stop import StopReport
from harness.nodes.eplb import eplb_files
from harness.nodes.keeper import NodeKeeper, leftovers
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.snapshot import Snapshot
from harness.slurm.step import Step
from harness.slurm.words import StepRow


@dataclass(frozen=True)
class Shutdown:
    """The facts of one shutdown; ``settled_s`` is how many seconds GPU memory was waited for.

    ``eplb_nodes`` are those whose workers share experts through files in /dev/shm.
    """

    running: Snapshot
    after: Snapshot
    workers: tuple[StopReport, ...]
    services: StopReport
    instances_left: tuple[Instance, ...]
    models_left: tuple[str, ...]
    steps_left: tuple[StepRow, ...]
    residue: tuple[Residue, ...]
    eplb_nodes: tuple[str, ...]
    settled_s: float

    @property
    def nodes_without_eplb_files(self) -> tuple[str, ...]:
        """Nodes that showed none of these files while their workers ran, though they make some."""
        seen = eplb_files(self.running)
        return tuple(node for node in self.eplb_nodes if not seen.get(node))

    def check_nothing_left(self, *kinds: ResidueKind) -> None:
        """Raise :class:`~harness.errors.ResidueError` for what was left, of these kinds or any."""
        left = [each for each in self.residue if not kinds or each.kind in kinds]
        if left:
            raise leftovers(left, f"{self.settled_s:.0f} s after the last step ended")


def shut_down(
    deployment: Deployment,
    keeper: NodeKeeper,
    *,
    all_steps: Collection[Step],
    eplb_nodes: Collection[str],
    listed: Callable[[], Sequence[StepRow]],
) -> Shutdown:
    """Stop a deployment in order and collect the facts.

    ``all_steps`` are those of the whole run, for what they left; ``eplb_nodes`` as in
    :class:`Shutdown`; ``listed`` gives Slurm's list.
    """
    names = {step.name for step in deployment.steps}
    running = keeper.inspector.snapshot("running")
    workers = deployment.stop_workers(list(deployment.workers))
    instances, models = deployment.instances(), deployment.frontend.models()
    services = deployment.stop_services()
    after, left, settled_s = keeper.settle("after", all_steps)
    keeper.blame(left)
    return Shutdown(
        running=running,
        after=after,
        workers=tuple(workers),
        services=services,
        instances_left=tuple(instances),
        models_left=tuple(models),
        steps_left=tuple(row for row in listed() if row.name in names),
        residue=tuple(left),
        eplb_nodes=tuple(eplb_nodes),
        settled_s=settled_s,
    )
