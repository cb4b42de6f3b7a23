"""What the guards have sampled: GPU memory of every node, every few seconds of the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import ceil
from pathlib import Path

SAMPLED = "sampled"
MOST = 240
"""Points of a node in a plot: a pixel or two each. Of a longer time the highest of each part."""

Point = tuple[str, float, str, int]
"""Node, seconds since the epoch, moment, MiB of all its GPUs."""


def samples_of(run_dir: Path, start: float, end: float) -> list[Point]:
    """Return the samples from ``start`` to ``end``, of each node in turn; none of a run without."""
    found = []
    for file in sorted((run_dir / "memory" / "samples").glob("*.jsonl")):
        mine = [(at, used) for at, used in _lines(file) if start <= at <= end]
        found += [(file.stem, at, SAMPLED, used) for at, used in thinned(mine)]
    return found


def thinned(samples: list[tuple[float, int]], most: int = MOST) -> list[tuple[float, int]]:
    """Return at most so many samples: of equal parts of the time, the highest of each."""
    width = max(1, ceil(len(samples) / most))
    parts = (samples[at : at + width] for at in range(0, len(samples), width))
    return [max(part, key=lambda sample: sample[1]) for part in parts]


def _lines(file: Path) -> Iterator[tuple[float, int]]:
    """Yield time and MiB; a line that is torn or no sample is left out."""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            told = json.loads(line)
            yield float(told["at"]), sum(map(int, told["used_mib"].values()))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
