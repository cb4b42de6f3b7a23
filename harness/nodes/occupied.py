"""Pure: what on the nodes would break a run before its first step."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.compat import StrEnum
from harness.errors import InfraError
from harness.nodes.attribution import attribute
from harness.nodes.eplb import DEFAULT_PREFIXES, eplb_entries
from harness.nodes.ownership import Ownership
from harness.nodes.question import Question
from harness.nodes.snapshot import NodeSnapshot, ShmEntry, Snapshot
from harness.nodes.words import file_holder_words, file_words, gpu_words


class NodeUnreadable(InfraError):
    """Something that has to be compared could not be read on a node."""


class OccupiedKind(StrEnum):
    """What is in the way."""

    SHM_FILE = "shm file"
    GPU = "gpu"


@dataclass(frozen=True)
class Occupied:
    """One thing in the way: ``name`` is a file's name or a GPU's UUID, ``str()`` says it all."""

    kind: OccupiedKind
    node: str
    name: str
    sentence: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.sentence}; {self.way_out}"


def require_readable(snapshot: Snapshot, *fields: str) -> None:
    """Raise :class:`NodeUnreadable` if one of these fields is ``None`` on a node."""
    for node in snapshot.nodes.values():
        for name in fields:
            if getattr(node, name) is None:
                raise NodeUnreadable(
                    f"{name} of {node.node} could not be read: {node.why_unreadable(name)}",
                    hint=f"nothing can be said about {node.node}: repair it, or take other nodes",
                )
        for gpu in node.gpus or () if "gpus" in fields else ():
            if gpu.memory_used_mib is None:
                raise NodeUnreadable(f"{gpu_words(node, gpu)}: the driver tells no memory in use")


def find_occupied(
    snapshot: Snapshot,
    *,
    shm_prefixes: Sequence[str] = DEFAULT_PREFIXES,
    gpu_memory_idle_mib: int,
) -> list[Occupied]:
    """Return what is in the way of a run, in the order of the nodes.

    A GPU is in use when more than ``gpu_memory_idle_mib`` MiB of it are; a file of the expert load
    balancer is in the way whoever holds it. Raises :class:`NodeUnreadable`.
    """
    require_readable(snapshot, "shm", "gpus")
    found: list[Occupied] = []
    for node in snapshot.nodes.values():
        found += [_stale(node, entry) for entry in eplb_entries(node, shm_prefixes)]
        found += _busy_gpus(node, gpu_memory_idle_mib)
    return found


def _stale(node: NodeSnapshot, entry: ShmEntry) -> Occupied:
    sentence = f"{file_words(node, entry)} is there before the start; "
    sentence += file_holder_words(node, entry)
    remove = f"srun --overlap -N1 -n1 -w {node.node} rm /dev/shm/{shlex.quote(entry.name)}"
    way_out = "end that process or take other nodes" if entry.pids else f"remove it: `{remove}`"
    return Occupied(OccupiedKind.SHM_FILE, node.node, entry.name, sentence, way_out)


def _busy_gpus(node: NodeSnapshot, idle_mib: int) -> Iterator[Occupied]:
    for gpu in node.gpus or ():
        if (gpu.memory_used_mib or 0) > idle_mib:
            used_mib = gpu.memory_used_mib or 0
            nobodys = Ownership(node, {}, frozenset(), ())
            held = attribute(Question(nobodys, gpu, None, used_mib, idle_mib))
            sentence = (
                f"{gpu_words(node, gpu)} is in use before the start: {used_mib} MiB, "
                f"idle is at most {idle_mib} MiB; {held.words}"
            )
            way_out = "end what uses it, wait for the memory to come back, or take other nodes"
            yield Occupied(OccupiedKind.GPU, node.node, gpu.uuid, sentence, way_out)
