"""Pure: the same deployment made and stopped many times over, and whether anything drifts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from harness.nodes.snapshot import Snapshot

SLOWER = 1.5
"""How many times longer the last cycles may take than the first: machines are shared and noisy."""

SLACK_S = 2.0
"""Seconds that short times may grow by all the same."""

MEMORY_MIB = 512
"""Host memory, in MiB a node, that may be gone after the last cycle: page cache comes and goes."""


@dataclass(frozen=True)
class Cycle:
    """One cycle: times in seconds, and what the nodes held after it, summed over the nodes.

    ``load_s`` is the slowest rank's load, ``ready_s`` the time from the first step to the first
    answer, ``stop_s`` the slowest worker's way from TERM to its end. ``left`` counts residue.
    """

    number: int
    ready_s: float
    load_s: float
    stop_s: float
    shm_entries: int
    shm_used_mib: int
    memory_available_mib: int
    gpu_used_mib: int
    left: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the run directory."""
        return asdict(self)


@dataclass(frozen=True)
class NodeTotals:
    """What the nodes of a snapshot hold together."""

    shm_entries: int
    shm_used_mib: int
    memory_available_mib: int
    gpu_used_mib: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> NodeTotals:
        """Sum up a snapshot; what could not be read on a node counts as 0 there."""
        nodes = list(snapshot.nodes.values())
        used = sum((n.shm_total_bytes or 0) - (n.shm_free_bytes or 0) for n in nodes)
        return cls(
            shm_entries=sum(len(node.shm or ()) for node in nodes),
            shm_used_mib=used // (1024 * 1024),
            memory_available_mib=sum(node.memory_available_mib or 0 for node in nodes),
            gpu_used_mib=sum(gpu.memory_used_mib or 0 for n in nodes for gpu in n.gpus or ()),
        )


def drift(cycles: Sequence[Cycle], *, nodes: int) -> list[str]:
    """Return in words what grew from the first cycles to the last, on ``nodes`` nodes.

    Times are compared as medians of the first and of the last third; what the nodes hold is
    compared between the first cycle and the last, for it has to come back exactly.
    """
    if len(cycles) < 2:
        return []
    third = max(1, len(cycles) // 3)
    first, last = cycles[:third], cycles[-third:]
    times = (
        ("ready", lambda cycle: cycle.ready_s),
        ("load", lambda cycle: cycle.load_s),
        ("stop", lambda cycle: cycle.stop_s),
    )
    found = [_slower(name, time_of, first=first, last=last) for name, time_of in times]
    begin, end = cycles[0], cycles[-1]
    found += [
        _more("entries in /dev/shm", begin.shm_entries, end.shm_entries, allowed=0),
        _more("MiB used in /dev/shm", begin.shm_used_mib, end.shm_used_mib, allowed=0),
        _more("MiB of GPU memory in use", begin.gpu_used_mib, end.gpu_used_mib, allowed=0),
        _more(
            "MiB of host memory in use",
            -begin.memory_available_mib,
            -end.memory_available_mib,
            allowed=MEMORY_MIB * nodes,
        ),
        _more("things left in a cycle", 0, max(cycle.left for cycle in cycles), allowed=0),
    ]
    return [each for each in found if each]


def table(cycles: Sequence[Cycle]) -> list[str]:
    """Return the cycles as lines of a table, its head first."""
    heads = (
        "cycle", "ready s", "load s", "stop s", "shm files", "shm MiB", "mem avail MiB", "GPU MiB",
        "left",
    )  # fmt: skip
    rows = [
        (
            f"{each.number}", f"{each.ready_s:.1f}", f"{each.load_s:.1f}", f"{each.stop_s:.1f}",
            f"{each.shm_entries}", f"{each.shm_used_mib}", f"{each.memory_available_mib}",
            f"{each.gpu_used_mib}", f"{each.left}",
        )
        for each in cycles
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (heads, *rows)
    ]


def _slower(
    name: str, time_of: Callable[[Cycle], float], *, first: Sequence[Cycle], last: Sequence[Cycle]
) -> str:
    before, after = median(map(time_of, first)), median(map(time_of, last))
    if after <= max(before * SLOWER, before + SLACK_S):
        return ""
    return f"{name} grew from {before:.1f} s to {after:.1f} s (medians of {len(first)} cycles)"


def _more(what: str, before: int, after: int, *, allowed: int) -> str:
    grown = after - before
    return f"{grown} more {what} after the last cycle than after the first" * (grown > allowed)
