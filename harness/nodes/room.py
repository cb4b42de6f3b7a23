"""Pure: whether nodes have the room that a worker needs, and tell one time.

Every function returns what is wrong as sentences, each with its node. What could not be read is no
fault, but for folders that do not answer; :func:`unreadable_room` says it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from harness.nodes.snapshot import Snapshot

MEMORY_PER_RANK_MIB = 256
"""Less than any rank takes of the host: Python with an engine's libraries alone is more."""

TMP_MIB = 64
"""For the sockets of PMIx and the small files of a worker's script."""

RUN_DIRECTORY_MIB = 512
"""For logs of all ranks and records of all requests of a run; tens of MiB are usual."""

CLOCK_LIMIT_S = 1.0
"""First causes are told by the order of log lines on several nodes."""

_SHM = "/dev/shm"  # noqa: S108 - a word for people
_MIB = 1024 * 1024
_READ = ("memory_available_mib", "shm_free_bytes", "thp", "folders", "addresses")


def short_of_memory(snapshot: Snapshot, *, ranks_per_node: int) -> Iterator[str]:
    """Yield nodes whose free memory cannot even hold their ranks."""
    least_mib = MEMORY_PER_RANK_MIB * ranks_per_node
    for name, node in snapshot.nodes.items():
        if node.memory_available_mib is not None and node.memory_available_mib < least_mib:
            yield (
                f"{name}: {node.memory_available_mib} MiB of memory are free, "
                f"{ranks_per_node} ranks need {least_mib} MiB at the very least"
            )


def short_of_disk(snapshot: Snapshot, limits_mib: Mapping[str, int]) -> Iterator[str]:
    """Yield nodes with less room than a folder's limit, or that do not see the folder.

    A node whose folders gave no answer does not see them either: a mount that hangs is one.
    """
    for name, node in snapshot.nodes.items():
        if node.folders is None:
            yield f"{name}: {node.why_unreadable('folders')}"
        for folder in node.folders or ():
            least_mib = limits_mib.get(folder.path, 0)
            if folder.free_mib is None:
                yield f"{name}: {node.why_unreadable('folders')}"
            elif folder.free_mib < least_mib:
                seen = f"{folder.path} has {folder.free_mib} MiB free"
                yield f"{name}: {seen}, {least_mib} are needed"


def without_huge_pages(snapshot: Snapshot, balancing: Collection[str]) -> Iterator[str]:
    """Yield nodes that balance experts online and have transparent huge pages switched off.

    TensorRT-LLM then ends with ``madvise(MADV_HUGEPAGE) failed.`` (its tech blog on wide EP).
    """
    for name, node in snapshot.nodes.items():
        if name in balancing and node.thp == "never":
            yield f"{name}: transparent huge pages are set to never, expected madvise or always"


def short_of_shm(
    snapshot: Snapshot, balancing: Collection[str], *, expert_bytes: int
) -> Iterator[str]:
    """Yield nodes that balance experts online and cannot hold all experts in /dev/shm.

    The ranks of a node keep every expert of every MoE layer there, in memory of the host. If it is
    too small, a rank dies of a bus error when it writes them, minutes after its start.
    """
    for name, node in snapshot.nodes.items():
        if name not in balancing:
            continue
        memory_mib = node.memory_available_mib
        memory = None if memory_mib is None else memory_mib * _MIB
        for what, free in ((_SHM, node.shm_free_bytes), ("its memory", memory)):
            if free is not None and free < expert_bytes:
                yield (
                    f"{name}: {what} has {size_words(free)} free, the experts of the model take "
                    f"{size_words(expert_bytes)} of every node"
                )


def wrong_clocks(snapshot: Snapshot) -> Iterator[str]:
    """Yield nodes whose clock was not within the time in which the probe was asked, by how much.

    The time is that of the asking node, so a slow answer is no wrong clock.
    """
    if snapshot.asked is None:
        return
    asked_s, answered_s = snapshot.asked
    for name, node in snapshot.nodes.items():
        ahead_s = node.time_s - answered_s
        behind_s = asked_s - (node.time_s - node.elapsed_ms / 1e3)
        if ahead_s > CLOCK_LIMIT_S:
            yield f"{name}: its clock is at least {ahead_s:.1f} s ahead of this node's"
        if behind_s > CLOCK_LIMIT_S:
            yield f"{name}: its clock is at least {behind_s:.1f} s behind this node's"


def unreadable_room(snapshot: Snapshot) -> Iterator[str]:
    """Yield what could not be read, with the reason and the node."""
    for name, node in snapshot.nodes.items():
        for what in _READ:
            if getattr(node, what) is None:
                yield f"{name}: {what} could not be read: {node.why_unreadable(what)}"


def size_words(size: int) -> str:
    """Return bytes in the unit that a person would take: ``338.2 GiB``, ``512 KiB``."""
    value, units = float(size), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.1f}".removesuffix(".0") + f" {units[0]}"
