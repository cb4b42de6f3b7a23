"""The proof of a clean shutdown: what was seen alive, how it stopped, and what was left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from harness.dynamo.deployment import Deployment
from harness.dynamo.discovery import Instance
from harness.dynamo.stop import StopReport
from harness.dynamo.worker import Worker
from harness.errors import NothingProved
from harness.measures import Measures
from harness.nodes.eplb import eplb_files
from harness.nodes.keeper import GPU_MEMORY_BACK_S, NodeKeeper, leftovers
from harness.nodes.memory_curve import Settled
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.seen import AtWork, Unseen
from harness.nodes.snapshot import Snapshot
from harness.nodes.words import in_words
from harness.slurm.nodelist import fold
from harness.slurm.step import Step
from harness.slurm.words import StepRow


@dataclass(frozen=True)
class Shutdown:
    """The facts of one shutdown.

    ``running`` was taken before it, ``settled`` is what came after, ``unseen`` what ``running``
    should have shown and did not. ``eplb_nodes`` are those whose workers share experts through
    files in /dev/shm. The last worker had ended ``workers_ended_s`` seconds before the first look.
    """

    running: Snapshot
    unseen: tuple[Unseen, ...]
    workers: tuple[StopReport, ...]
    services: StopReport
    instances_left: tuple[Instance, ...]
    models_left: tuple[str, ...]
    steps_left: tuple[StepRow, ...]
    settled: Settled
    eplb_nodes: tuple[str, ...]
    workers_ended_s: float

    @property
    def after(self) -> Snapshot:
        """The last look at the nodes."""
        return self.settled.after

    @property
    def residue(self) -> tuple[Residue, ...]:
        """All that was left."""
        return self.settled.left

    @property
    def settled_s(self) -> float:
        """Seconds for which GPU memory was waited for, from the end of the last step on."""
        return self.settled.waited_s

    @property
    def eplb_seen(self) -> dict[str, int]:
        """The files of the expert load balancer on each node while the workers ran."""
        return eplb_files(self.running)

    @property
    def eplb_left(self) -> dict[str, int]:
        """Those of this run that were left on each node."""
        left = [each for each in self.residue if each.kind is ResidueKind.SHM_FILE]
        return {**dict.fromkeys(self.running.nodes, 0), **Counter(each.node for each in left)}

    def check_nothing_left(self, *kinds: ResidueKind) -> None:
        """Raise :class:`~harness.errors.ResidueError` for what was left, of these kinds or any.

        Raises :class:`~harness.errors.NothingProved` if nothing was, but the probe had not seen
        the workers alive either.
        """
        left = [each for each in self.residue if not kinds or each.kind in kinds]
        if left:
            raise leftovers(left, f"{self.settled_s:.0f} s after the last step ended")
        unseen = [each for each in self.unseen if not kinds or each.kind in kinds]
        if unseen:
            raise NothingProved(
                "nothing is seen to be left, which proves nothing: while the workers ran, the "
                f"probe did not see\n{in_words(unseen)}",
                hint="compare snapshots/*-running.json with snapshots/01-baseline.json",
            )


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
    at_work = [_at_work(worker) for worker in deployment.workers]
    running = keeper.inspector.snapshot("running")
    workers = deployment.stop_workers(list(deployment.workers))
    stopped_s = time.monotonic()
    instances, models = deployment.instances(), deployment.frontend.models()
    services = deployment.stop_services()
    workers_ended_s = time.monotonic() - stopped_s
    settled = keeper.settle("after", all_steps, deployment=deployment.name)
    keeper.blame(settled.left)
    return Shutdown(
        running=running,
        unseen=tuple(keeper.unseen(running, at_work, eplb_nodes=eplb_nodes)),
        workers=tuple(workers),
        services=services,
        instances_left=tuple(instances),
        models_left=tuple(models),
        steps_left=tuple(row for row in listed() if row.name in names),
        settled=settled,
        eplb_nodes=tuple(eplb_nodes),
        workers_ended_s=workers_ended_s,
    )


def measure(shutdown: Shutdown, measures: Measures, *, where: str) -> None:
    """Keep the figures of a shutdown: when GPU memory was back, files seen and left."""
    settled = shutdown.settled
    ended = f"the last worker had ended {shutdown.workers_ended_s:.1f} s before the first"
    notes = [f"look {len(settled.looks)}, {ended}"]
    if settled.gpus_left:
        notes.append(f"not back on {len(settled.gpus_left)} GPUs")
    if settled.remarks:
        notes.append(f"page cache on {len(settled.remarks)} GPUs, which is no leak")
    measures.add(
        "GPU memory back after",
        settled.waited_s,
        "s",
        limit=GPU_MEMORY_BACK_S,
        where=where,
        note="; ".join(notes),
    )
    for name, files, limit in (
        ("EPLB files seen while running", shutdown.eplb_seen, None),
        ("EPLB files left", shutdown.eplb_left, 0),
    ):
        note = _by_count(files) if shutdown.eplb_nodes else "no worker balances experts online"
        measures.add(name, sum(files.values()), "", limit=limit, where=where, note=note)


def _at_work(worker: Worker) -> AtWork:
    placement = worker.placement
    return AtWork(worker.name, worker.step.number, placement.nodes, placement.gpus_per_node)


def _by_count(files: Mapping[str, int]) -> str:
    """Return how many files each node has, nodes with the same number together."""
    counts = sorted(set(files.values()), reverse=True)
    groups = [(fold(n for n, c in files.items() if c == count), count) for count in counts]
    return ", ".join(f"{nodes}: {count}" for nodes, count in groups)
