"""The nodes of a run: the baseline before its first step, and what it owes to them after."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from harness.deadline import Deadline, wait_until
from harness.errors import NodeOccupied, ResidueError
from harness.nodes.gpu_memory import MemoryAbove, memory_above, memory_remarks
from harness.nodes.inspection import NodeInspector
from harness.nodes.memory_curve import Look, Settled, curve_json
from harness.nodes.previous import find_previous
from harness.nodes.question import LiveStep
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.seen import AtWork, Unseen, find_unseen
from harness.nodes.snapshot import Snapshot
from harness.nodes.words import in_words
from harness.once import Once
from harness.slurm.client import Slurm
from harness.slurm.step import Step

GPU_MEMORY_BACK_S = 60.0
"""Seconds that GPU memory may take to come back after the last process has ended.

The driver reclaims in the background; some seconds have been seen, never a minute.
"""

LOOK_EVERY_S = 1.0
"""Seconds from one look at GPU memory that comes back to the next, unless a look takes longer."""


def leftovers(left: Sequence[Residue], moment: str) -> ResidueError:
    """Return the error that lists what was left: the first few in words, the rest as a number."""
    return ResidueError(f"{len(left)} left {moment}:\n{in_words(left)}")


class NodeKeeper:
    """Baseline and residue of a run; what one shutdown was blamed for is not blamed on the next."""

    def __init__(
        self,
        inspector: NodeInspector,
        slurm: Slurm,
        *,
        own_prefix: str,
        own_step: str,
        gpu_idle_mib: int,
        gpu_tolerance_mib: int,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        """``before`` is done before the baseline is taken, and raises if there can be none."""
        self.inspector = inspector
        self._before = before
        self.baseline = Once("a clean baseline of the nodes", self._take_baseline)
        self._slurm = slurm
        self._own_prefix = own_prefix
        self._own_step = own_step
        self._gpu_idle_mib = gpu_idle_mib
        self._gpu_tolerance_mib = gpu_tolerance_mib
        self._blamed: set[tuple[ResidueKind, str, str]] = set()
        self._curves: Counter[str] = Counter()

    def residue(self, after: Snapshot, steps: Collection[Step]) -> list[Residue]:
        """Return what the ended of ``steps`` left on the nodes of ``after``.

        What an earlier shutdown has been blamed for already is left out.
        """
        left = self._all_residue(after, steps)
        return [each for each in left if (each.kind, each.node, each.name) not in self._blamed]

    def _all_residue(self, after: Snapshot, steps: Collection[Step]) -> list[Residue]:
        return self.inspector.residue(
            self.baseline.get(),
            after,
            stopped_steps={step.number for step in steps if step.exit_code is not None},
            services_stopped=all(step.exit_code is not None for step in steps),
            tolerance_mib=self._gpu_tolerance_mib,
            live_steps=_live_workers(steps),
        )

    def has_processes(self, after: Snapshot, steps: Collection[Step]) -> bool:
        """Tell whether processes of the ended of ``steps`` are left, told before or not."""
        left = self._all_residue(after, steps)
        return any(each.kind is ResidueKind.PROCESS for each in left)

    def blame(self, left: Collection[Residue]) -> None:
        """Remember what was found left, so that it is told once."""
        self._blamed |= {(each.kind, each.node, each.name) for each in left}

    def settle(
        self, moment: str, steps: Collection[Step], nodes: Sequence[str] = (), *, deployment: str
    ) -> Settled:
        """Probe until no GPU memory is left above the baseline, the only thing that may come late.

        Every look is kept as it comes, in ``memory/<deployment>-<moment>.json``; a second waiting
        of the same name gets ``-2``.
        """
        title = f"{deployment}-{moment}"
        self._curves[title] += 1
        again = f"-{self._curves[title]}" if self._curves[title] > 1 else ""
        deadline = Deadline.after(GPU_MEMORY_BACK_S)
        seen: list[Settled] = []

        def look() -> bool:
            looks = seen[-1].looks if seen else ()
            _pause(looks, deadline)
            asked_s = deadline.elapsed_s
            after = self.inspector.snapshot(moment, nodes)
            answered_s = deadline.elapsed_s
            left = self.residue(after, steps)
            new = Look(asked_s, answered_s, self._memory_above(after), at=time.time())
            seen.append(Settled(after, tuple(left), self._remarks(after), (*looks, new)))
            self._keep(f"memory/{title}{again}.json", seen[-1])
            return not seen[-1].gpus_left

        wait_until(look, deadline, poll_s=0)
        return seen[-1]

    def unseen(
        self, running: Snapshot, workers: Sequence[AtWork], *, eplb_nodes: Collection[str]
    ) -> list[Unseen]:
        """Return what the probe did not see while workers ran: its end would prove nothing."""
        return find_unseen(
            self.baseline.get(),
            running,
            workers,
            tolerance_mib=self._gpu_tolerance_mib,
            eplb_nodes=eplb_nodes,
        )

    def check_clean(
        self, nodes: Sequence[str], steps: Collection[Step], *, deployment: str
    ) -> None:
        """Raise :class:`~harness.errors.ResidueError` for what ended steps left on these nodes."""
        if not nodes:
            return
        settled = self.settle("scaled", steps, nodes, deployment=deployment)
        if settled.left:
            self.blame(settled.left)
            moment = f"on nodes without a replica, {settled.waited_s:.0f} s after the step"
            raise leftovers(settled.left, moment)

    def _memory_above(self, after: Snapshot) -> MemoryAbove:
        taken = self.inspector.taken
        return memory_above(self.baseline.get(), after, seen_while_running=taken)

    def _remarks(self, after: Snapshot) -> tuple[str, ...]:
        remarks = memory_remarks(
            self.baseline.get(),
            after,
            seen_while_running=self.inspector.taken,
            tolerance_mib=self._gpu_tolerance_mib,
        )
        return tuple(remarks)

    def _keep(self, name: str, settled: Settled) -> None:
        curve = curve_json(
            settled.looks,
            settled.remarks,
            limit_s=GPU_MEMORY_BACK_S,
            tolerance_mib=self._gpu_tolerance_mib,
        )
        self.inspector.keep(name, curve)

    def _take_baseline(self) -> Snapshot:
        self._before()
        snapshot = self.inspector.snapshot("baseline", condition=True)
        rows = self._slurm.steps()
        previous = find_previous(
            snapshot, rows, own_prefix=self._own_prefix, own_step=self._own_step
        )
        if previous:
            raise NodeOccupied(
                "\n".join(map(str, previous)),
                hint="an earlier deployment has to be stopped before the next one starts",
            )
        self.inspector.check_unoccupied(snapshot, gpu_idle_mib=self._gpu_idle_mib)
        return snapshot


def _pause(looks: Sequence[Look], deadline: Deadline) -> None:
    """Wait until it is time for the next look: a second after the last one was asked for."""
    if looks:
        time.sleep(max(0.0, looks[-1].asked_s + LOOK_EVERY_S - deadline.elapsed_s))


def _live_workers(steps: Collection[Step]) -> list[LiveStep]:
    """Return the steps that have not ended and hold GPUs: those with MPI ranks."""
    return [
        LiveStep(step.name, step.step_id, step.spec.nodes)
        for step in steps
        if step.exit_code is None and step.spec.mpi != "none"
    ]
