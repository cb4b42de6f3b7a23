"""How GPU memory came back after the last step had ended, look by look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.nodes.gpu_memory import MemoryAbove
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.snapshot import Snapshot


@dataclass(frozen=True)
class Look:
    """One look at all nodes.

    The memory was read at some moment between ``asked_s`` and ``answered_s``, seconds after the
    waiting began: a slow probe makes the two lie apart, and never a curve that is too steep.
    ``at`` is when it was answered, in seconds since the epoch.
    """

    asked_s: float
    answered_s: float
    above_mib: MemoryAbove
    at: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values, times to the millisecond."""
        times = {"asked_s": round(self.asked_s, 3), "answered_s": round(self.answered_s, 3)}
        return {"at": round(self.at, 3), **times, "above_mib": self.above_mib}


@dataclass(frozen=True)
class Settled:
    """What the nodes hold after the waiting, and all looks.

    ``remarks`` are sentences about memory in use that is nobody's leak (page cache).
    """

    after: Snapshot
    left: tuple[Residue, ...]
    remarks: tuple[str, ...]
    looks: tuple[Look, ...]

    @property
    def waited_s(self) -> float:
        """Seconds until the last look was answered."""
        return self.looks[-1].answered_s

    @property
    def memory_back_s(self) -> float | None:
        """Seconds until memory was seen to be back on every GPU; ``None`` if it was not."""
        return self.waited_s if not self.gpus_left else None

    @property
    def gpus_left(self) -> tuple[Residue, ...]:
        """The GPUs that still have memory in use."""
        return tuple(each for each in self.left if each.kind is ResidueKind.GPU_MEMORY)


def curve_json(
    looks: Sequence[Look], remarks: Sequence[str], *, limit_s: float, tolerance_mib: int
) -> dict[str, Any]:
    """Return the content of ``memory/<deployment>-<moment>.json``.

    ``above_mib`` of a look has MiB above the baseline, without what strangers have taken since, by
    node and index of the GPU.
    """
    return {
        "limit_s": limit_s,
        "tolerance_mib": tolerance_mib,
        "remarks": list(remarks),
        "looks": [look.to_json() for look in looks],
    }
