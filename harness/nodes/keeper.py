"""The nodes of a run: the baseline before its first step, and what it owes to them after."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.deadline import Deadline, wait_until
from harness.errors import NodeOccupied, ResidueError
from harness.nodes.inspection import NodeInspector
from harness.nodes.previous import find_previous
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.snapshot import Snapshot
from harness.nodes.words import in_words
from harness.once import Once
from harness.slurm.client import Slurm
from harness.slurm.step import Step

GPU_MEMORY_BACK_S = 60.0
"""Seconds that GPU memory may take to come back after the last process has ended.

The driver reclaims in the background; some seconds have been seen, never a minute.
"""


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
    ) -> None:
        self.inspector = inspector
        self.baseline = Once("a clean baseline of the nodes", self._take_baseline)
        self._slurm = slurm
        self._own_prefix = own_prefix
        self._own_step = own_step
        self._gpu_idle_mib = gpu_idle_mib
        self._gpu_tolerance_mib = gpu_tolerance_mib
        self._blamed: set[tuple[ResidueKind, str, str]] = set()

    def residue(self, after: Snapshot, steps: Collection[Step]) -> list[Residue]:
        """Return what the ended of ``steps`` left on the nodes of ``after``.

        What an earlier shutdown has been blamed for already is left out.
        """
        left = self.inspector.residue(
            self.baseline.get(),
            after,
            stopped_steps={step.number for step in steps if step.exit_code is not None},
            services_stopped=all(step.exit_code is not None for step in steps),
            tolerance_mib=self._gpu_tolerance_mib,
        )
        return [each for each in left if (each.kind, each.node, each.name) not in self._blamed]

    def blame(self, left: Collection[Residue]) -> None:
        """Remember what was found left, so that it is told once."""
        self._blamed |= {(each.kind, each.node, each.name) for each in left}

    def settle(
        self, moment: str, steps: Collection[Step], nodes: Sequence[str] = ()
    ) -> tuple[Snapshot, Sequence[Residue], float]:
        """Probe until no GPU memory is left above the baseline, the only thing that may come late.

        Return the last snapshot, what is left in it, and the seconds it took.
        """
        seen: list[tuple[Snapshot, Sequence[Residue]]] = []

        def look() -> bool:
            after = self.inspector.snapshot(moment, nodes)
            seen.append((after, self.residue(after, steps)))
            return all(each.kind is not ResidueKind.GPU_MEMORY for each in seen[-1][1])

        deadline = Deadline.after(GPU_MEMORY_BACK_S)
        wait_until(look, deadline, poll_s=1.0)
        return (*seen[-1], deadline.elapsed_s)

    def check_clean(self, nodes: Sequence[str], steps: Collection[Step]) -> None:
        """Raise :class:`~harness.errors.ResidueError` for what ended steps left on these nodes."""
        if not nodes:
            return
        _, left, after_s = self.settle("scaled", steps, nodes)
        if left:
            self.blame(left)
            raise leftovers(left, f"on nodes without a replica, {after_s:.0f} s after the step")

    def _take_baseline(self) -> Snapshot:
        snapshot = self.inspector.snapshot("baseline")
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
