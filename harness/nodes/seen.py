"""Pure: whether the probe saw what was alive. If it did not, that nothing is left proves nothing.

A probe that is blind (a driver that names no memory, processes that nobody may read, another PID
namespace) finds every node clean, before and after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from harness.nodes.eplb import eplb_entries
from harness.nodes.gpu_memory import Growth, growths
from harness.nodes.ownership import ownership
from harness.nodes.residue import ResidueKind
from harness.nodes.snapshot import NodeSnapshot, Snapshot
from harness.nodes.words import unread_words


@dataclass(frozen=True)
class AtWork:
    """A live worker: its name, its step's number (``18``), its nodes, and its GPUs on each."""

    name: str
    step: str
    nodes: tuple[str, ...]
    gpus_per_node: int


@dataclass(frozen=True)
class Unseen:
    """Something that had to be there while the workers ran and was not seen; one sentence.

    ``kind`` is what can therefore not be told to be gone.
    """

    kind: ResidueKind
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def find_unseen(
    baseline: Snapshot,
    running: Snapshot,
    workers: Sequence[AtWork],
    *,
    tolerance_mib: int,
    eplb_nodes: Collection[str] = (),
) -> list[Unseen]:
    """Return what ``running`` did not see of live workers, in their order.

    Expected are a process of each worker's step on each of its nodes; memory above the baseline, by
    more than the tolerance, on as many GPUs as it has there; files of the expert load balancer on
    each of ``eplb_nodes``.
    """
    found: list[Unseen] = []
    for worker in workers:
        for name in worker.nodes:
            node = running.nodes[name]
            found += _unseen_process(node, worker)
            grown = list(growths(baseline.nodes[name], ownership(node, (), ())))
            found += _unseen_memory(worker, node, [g for g in grown if g.above_mib > tolerance_mib])
    for name in eplb_nodes:
        if not eplb_entries(running.nodes[name]):
            sentence = f"{name}: no shared memory file of a worker that balances experts online"
            found.append(Unseen(ResidueKind.SHM_FILE, sentence))
    return found


def _unseen_process(node: NodeSnapshot, worker: AtWork) -> Iterator[Unseen]:
    if any(each.step == worker.step for each in node.processes or ()):
        return
    why = f": they could not be read: {node.why_unreadable('processes')}"
    words = unread_words(node) if node.processes is not None else why
    step = worker.step or "unknown"
    sentence = f"{node.node}: no process of {worker.name} (step {step}){words}"
    yield Unseen(ResidueKind.PROCESS, sentence)


def _unseen_memory(
    worker: AtWork, node: NodeSnapshot, in_use: Sequence[Growth]
) -> Iterator[Unseen]:
    if len(in_use) >= worker.gpus_per_node:
        return
    why = f": it could not be read: {node.why_unreadable('gpus')}"
    which = ", ".join(str(each.gpu.index) for each in in_use)
    words = f" (above the baseline: GPU {which})" if which else ""
    sentence = (
        f"{node.node}: memory of {worker.name} on {len(in_use)} of its {worker.gpus_per_node} GPUs"
        f"{words if node.gpus is not None else why}"
    )
    yield Unseen(ResidueKind.GPU_MEMORY, sentence)
