"""A launched worker: its step, its load progress, its instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.dynamo.discovery import Instance
from harness.dynamo.load_progress import LoadProgress
from harness.logs import LogFollower
from harness.slurm.step import Step
from harness.topology import WorkerPlacement


class Worker:
    """One worker of a deployment."""

    def __init__(self, placement: WorkerPlacement, step: Step, *, eplb_prefix: str) -> None:
        self.placement = placement
        self.step = step
        self.eplb_prefix = eplb_prefix
        self.progress = LoadProgress(placement.world_size)
        self.instance: Instance | None = None
        self._followers = [LogFollower(step.out), LogFollower(step.err)]

    @property
    def name(self) -> str:
        """The worker's name, ``agg-0``."""
        return self.placement.name

    def observe(self) -> bool:
        """Read new log lines; return whether the load has progressed."""
        learnt = [self.progress.add(follower.new_lines()) for follower in self._followers]
        return any(learnt)

    def reported_world_sizes(self) -> Counter[tuple[int, int]]:
        """Return how often each (rank, world size) was announced by the launcher."""
        self.observe()
        return self.progress.world_size_lines

    def ranks_by_node(self) -> dict[str, tuple[int, ...]]:
        """Return the ranks of each node as srun launched them."""
        self.step.refresh()
        return {launched.node: launched.ranks for launched in self.step.launched}


def instance_of(
    placement: WorkerPlacement, instances: Sequence[Instance], nodes: dict[str, str]
) -> list[Instance]:
    """Return the instances on the worker's leader node. ``nodes`` maps addresses to node names."""
    return [each for each in instances if nodes.get(each.address) == placement.leader_node]
