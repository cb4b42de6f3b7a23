"""Pure: GPU memory above the baseline, GPU by GPU, and what explains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.nodes.attribution import Attribution, attribute
from harness.nodes.ownership import Ownership, ownership
from harness.nodes.question import LiveStep, Question
from harness.nodes.snapshot import Gpu, GpuProcess, NodeSnapshot, Snapshot
from harness.nodes.words import gpu_words

MemoryAbove = dict[str, dict[int, int]]
"""MiB above the baseline by node and index of the GPU; below it they are negative."""


@dataclass(frozen=True)
class Growth:
    """Memory of one GPU in MiB: at the baseline, and above it without what strangers took since."""

    node: NodeSnapshot
    gpu: Gpu
    base_mib: int
    above_mib: int


@dataclass(frozen=True)
class Leftover:
    """Memory of a GPU that is more than the tolerance above the baseline, with its explanation."""

    growth: Growth
    tolerance_mib: int
    attribution: Attribution
    pids: tuple[int, ...]

    @property
    def is_leak(self) -> bool:
        """Whether it counts as left behind; page cache does not: it is the kernel's."""
        return self.attribution.leak_mib > self.tolerance_mib

    def __str__(self) -> str:
        growth = self.growth
        return (
            f"{gpu_words(growth.node, growth.gpu)} still has {growth.above_mib} MiB in use above "
            f"the baseline ({growth.gpu.memory_used_mib} MiB now, {growth.base_mib} MiB before, "
            f"tolerance {self.tolerance_mib} MiB); {self.attribution.words}"
        )


def growths(before: NodeSnapshot, ours: Ownership) -> Iterator[Growth]:
    """Yield the memory of each GPU of a node against its baseline."""
    base = {gpu.uuid: gpu.memory_used_mib or 0 for gpu in before.gpus or ()}
    for gpu in ours.node.gpus or ():
        theirs_mib = sum(_grown_mib(before, app) for app in _strangers(before, ours, gpu))
        above_mib = (gpu.memory_used_mib or 0) - base.get(gpu.uuid, 0) - theirs_mib
        yield Growth(ours.node, gpu, base.get(gpu.uuid, 0), above_mib)


def leftovers_of(
    before: NodeSnapshot,
    ours: Ownership,
    *,
    tolerance_mib: int,
    live_steps: Sequence[LiveStep] = (),
) -> Iterator[Leftover]:
    """Yield the GPUs of a node with more memory in use than the tolerance allows."""
    for growth in growths(before, ours):
        if growth.above_mib > tolerance_mib:
            gpu, above_mib = growth.gpu, growth.above_mib
            question = Question(ours, gpu, before, above_mib, tolerance_mib, live_steps)
            strangers = _strangers(before, ours, gpu)
            apps = [app for app in ours.node.apps_on(gpu.uuid) if app not in strangers]
            pids = tuple(app.pid for app in apps if app.pid is not None)
            yield Leftover(growth, tolerance_mib, attribute(question), pids)


def memory_above(
    baseline: Snapshot, now: Snapshot, *, seen_while_running: Sequence[Snapshot]
) -> MemoryAbove:
    """Return the MiB above the baseline of every GPU of the nodes of ``now``."""
    found: MemoryAbove = {}
    for name, node in now.nodes.items():
        ours = ownership(node, seen_while_running, ())
        found[name] = {g.gpu.index: g.above_mib for g in growths(baseline.nodes[name], ours)}
    return found


def memory_remarks(
    baseline: Snapshot,
    after: Snapshot,
    *,
    seen_while_running: Sequence[Snapshot],
    tolerance_mib: int,
) -> list[str]:
    """Return a sentence for each GPU whose memory in use is the kernel's page cache: no leak."""
    found: list[str] = []
    for name, node in after.nodes.items():
        ours = ownership(node, seen_while_running, ())
        each = leftovers_of(baseline.nodes[name], ours, tolerance_mib=tolerance_mib)
        found += [str(leftover) for leftover in each if not leftover.is_leak]
    return found


def _strangers(before: NodeSnapshot, ours: Ownership, gpu: Gpu) -> list[GpuProcess]:
    """Return the processes that are not ours: live ones, and those that were there before."""
    old = {app.pid for app in before.apps_on(gpu.uuid)}
    apps = [app for app in ours.node.apps_on(gpu.uuid) if not ours.has_pid(app.pid)]
    return [app for app in apps if not app.gone or app.pid in old]


def _grown_mib(before: NodeSnapshot, app: GpuProcess) -> int:
    """Return what a stranger has taken on a GPU since the baseline, in MiB; 0 if not known."""
    if app.pid is None or app.memory_mib is None:
        return 0
    earlier = before.apps_on(app.gpu_uuid)
    same = [old for old in earlier if (old.pid, old.name) == (app.pid, app.name)]
    return max(0, app.memory_mib - sum(old.memory_mib or 0 for old in same))
