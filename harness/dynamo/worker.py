"""A launched worker: its step, its load progress, its instance."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from harness.dynamo.discovery import Instance
from harness.dynamo.load_progress import LoadProgress
from harness.logs import LogFollower
from harness.releases import PROGRESS_WORDS
from harness.slurm.step import Step
from harness.topology import Role, WorkerPlacement


class Worker:
    """One worker of a deployment.

    ``loaded_at_s`` and ``ready_at_s`` are on the monotonic clock: when all ranks were seen to have
    loaded, and when requests were seen to succeed. ``proved`` says that it was seen serving.
    """

    def __init__(self, placement: WorkerPlacement, step: Step, *, eplb_prefix: str) -> None:
        self.placement = placement
        self.step = step
        self.eplb_prefix = eplb_prefix
        self.progress = LoadProgress(placement.world_size)
        self.instance: Instance | None = None
        self.proved = False
        self.loaded_at_s: float | None = None
        self.ready_at_s: float | None = None
        self._followers = [LogFollower(log, PROGRESS_WORDS) for log in (step.out, step.err)]

    @property
    def name(self) -> str:
        """The worker's name, ``agg-0``."""
        return self.placement.name

    def observe(self) -> bool:
        """Read new log lines; return whether the load has progressed."""
        learnt = [self.progress.add(follower.new_lines()) for follower in self._followers]
        if self.loaded_at_s is None and not self.progress.missing:
            self.loaded_at_s = time.monotonic()
        return any(learnt)

    def ready(self) -> None:
        """Note that requests succeed on this worker from now on."""
        self.ready_at_s = time.monotonic()

    @property
    def ready_after_load_s(self) -> float | None:
        """Seconds from the last rank's load to the first request that could succeed."""
        if self.loaded_at_s is None or self.ready_at_s is None:
            return None
        return self.ready_at_s - self.loaded_at_s

    def reported_world_sizes(self) -> Counter[tuple[int, int]]:
        """Return how often each (rank, world size) was announced by the launcher."""
        self.observe()
        return self.progress.world_size_lines

    def ranks_by_node(self) -> dict[str, tuple[int, ...]]:
        """Return the ranks of each node as srun launched them."""
        self.step.refresh()
        return {launched.node: launched.ranks for launched in self.step.launched}


def owners(
    workers: Sequence[Worker],
    instances: Sequence[Instance],
    *,
    nodes: Mapping[str, str],
    component: Callable[[Role], str],
) -> dict[str, Worker]:
    """Return the worker behind each instance, by the instance's key; strangers are left out.

    ``nodes`` maps addresses to node names: an instance belongs to the worker whose leader's node it
    is served from, if that worker's role registers under its component. An instance that names no
    address (NATS carries it) goes to a worker of its role that has none, in order of registration.
    """
    found: dict[str, Worker] = {}
    for instance in sorted(instances, key=lambda each: each.create_revision):
        fitting = [w for w in workers if component(w.placement.role) == instance.component]
        if instance.address:
            node = nodes.get(instance.address)
            mine = [w for w in fitting if w.placement.leader_node == node]
        else:
            known = [w for w in fitting if w.instance and w.instance.key == instance.key]
            free = [w for w in fitting if w.instance is None and w not in found.values()]
            mine = known or free
        if mine:
            found[instance.key] = mine[0]
    return found
