"""Pure: what stopped workers left behind, from snapshots before, during and after.

What was there before is not ours, nor is what a live stranger holds. The same question before the
first step is :func:`find_occupied` in :mod:`harness.nodes.occupied`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.compat import StrEnum
from harness.errors import InfraError
from harness.nodes.eplb import DEFAULT_PREFIXES, eplb_entries
from harness.nodes.gpu_memory import Leftover, leftovers_of
from harness.nodes.occupied import (
    NodeUnreadable,
    Occupied,
    OccupiedKind,
    find_occupied,
    require_readable,
)
from harness.nodes.ownership import Ownership, ownership
from harness.nodes.question import LiveStep
from harness.nodes.snapshot import NodeSnapshot, Snapshot
from harness.nodes.words import file_holder_words, file_words, gpu_words

__all__ = [
    "NodeUnreadable",
    "Occupied",
    "OccupiedKind",
    "Residue",
    "ResidueKind",
    "find_occupied",
    "find_residue",
]


class ResidueKind(StrEnum):
    """What was left."""

    PROCESS = "process"
    SHM_FILE = "shm file"
    GPU_MEMORY = "gpu memory"
    PORT = "port"


@dataclass(frozen=True)
class Residue:
    """One thing left behind; ``str()`` is one sentence.

    ``name`` is a pid, a file's name, a GPU's UUID or a port; ``amount`` is bytes of a file, MiB of
    GPU memory above the baseline without page cache, and 0 for the rest; ``pids`` are the holders
    that are known.
    """

    kind: ResidueKind
    node: str
    name: str
    amount: int
    pids: tuple[int, ...]
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def find_residue(
    baseline: Snapshot,
    after: Snapshot,
    *,
    seen_while_running: Sequence[Snapshot],
    stopped_steps: Collection[str],
    tolerance_mib: int,
    ports: Collection[int] = (),
    own_shm_prefixes: Sequence[str] = (),
    live_steps: Sequence[LiveStep] = (),
) -> list[Residue]:
    """Return what is left on the nodes of ``after``, in their order.

    ``stopped_steps`` are step numbers without the job (``"18"``); ``ports`` are those that must be
    free again; a file whose name begins with one of ``own_shm_prefixes`` is the run's in any case;
    ``live_steps`` are the workers that have not ended and may hold memory of nodes they are not on.
    Raises :class:`NodeUnreadable`, or :class:`InfraError` for a node that was booted again, that is
    not in the baseline, or that lost a GPU.
    """
    require_readable(after, "processes", "shm", "gpus", *(["listeners"] if ports else []))
    found: list[Residue] = []
    for name, node in after.nodes.items():
        before = _comparable(baseline.nodes.get(name), node)
        ours = ownership(node, seen_while_running, own_shm_prefixes)
        found += _processes(before, ours, set(stopped_steps))
        found += _files(before, ours, (*DEFAULT_PREFIXES, *own_shm_prefixes))
        memory = leftovers_of(before, ours, tolerance_mib=tolerance_mib, live_steps=live_steps)
        found += _gpus(ours, memory)
        found += _ports(before, ours, set(ports))
    return found


def _comparable(before: NodeSnapshot | None, after: NodeSnapshot) -> NodeSnapshot:
    if before is None:
        raise InfraError(f"{after.node} is not in the baseline, nothing can be compared there")
    if before.boot_id != after.boot_id:
        raise InfraError(f"{after.node} was booted again since the baseline was taken")
    require_readable(Snapshot({before.node: before}), "shm", "gpus")
    left = {gpu.uuid for gpu in after.gpus or ()}
    for gpu in before.gpus or ():
        if gpu.uuid not in left:
            raise InfraError(
                f"{gpu_words(before, gpu)} was there in the baseline and is gone; "
                f"{len(left)} of {len(before.gpus or ())} GPUs are left",
                hint=f"see `dmesg` and `nvidia-smi -q` on {after.node}",
            )
    return before


def _processes(before: NodeSnapshot, ours: Ownership, stopped: set[str]) -> Iterator[Residue]:
    """Find processes of stopped steps, and those that only their mark gives away."""
    node = ours.node
    known = {process.identity for process in before.processes or ()}
    for process in node.processes or ():
        step = ours.step_of(process)
        lost = step is None and process.found_by == "mark" and process.identity not in known
        if step in stopped or lost:
            rank = "" if process.rank is None else f", rank {process.rank}"
            sentence = (
                f"{node.node}: process {process.pid} ({process.name}, uid {process.uid}) of "
                f"{f'stopped step {step}' if step else 'this run'}{rank} is still there: "
                f"{process.cmdline or 'no command line'}"
            )
            pids = (process.pid,)
            yield Residue(ResidueKind.PROCESS, node.node, str(process.pid), 0, pids, sentence)


def _files(before: NodeSnapshot, ours: Ownership, prefixes: Sequence[str]) -> Iterator[Residue]:
    node = ours.node
    known = {entry.identity for entry in before.shm or ()}
    for entry in eplb_entries(node, prefixes):
        if entry.identity not in known and ours.has_file(entry):
            sentence = f"{file_words(node, entry)} is left; {file_holder_words(node, entry)}"
            yield Residue(
                ResidueKind.SHM_FILE,
                node.node,
                entry.name,
                entry.size_bytes,
                entry.pids or (),
                sentence,
            )


def _gpus(ours: Ownership, left: Iterable[Leftover]) -> Iterator[Residue]:
    for each in left:
        if each.is_leak:
            kind, name = ResidueKind.GPU_MEMORY, each.growth.gpu.uuid
            leak_mib = each.attribution.leak_mib
            yield Residue(kind, ours.node.node, name, leak_mib, each.pids, str(each))


def _ports(before: NodeSnapshot, ours: Ownership, ports: set[int]) -> Iterator[Residue]:
    node = ours.node
    known = {listener.inode for listener in before.listeners or ()}
    for listener in node.listeners or ():
        if listener.port in ports and listener.inode not in known and ours.has_listener(listener):
            sentence = f"{node.node}: port {listener.port} is still listened on by {listener.owner}"
            pids, name = listener.pids or (), str(listener.port)
            yield Residue(ResidueKind.PORT, node.node, name, 0, pids, sentence)
