"""Promises by topology, a line for each group of promises, and the promises of a group. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from harness.judge_run import TestState
from harness.qualification.matrix import WORST_FIRST, Cell, Matrix, PromiseLine

PASSED = str(TestState.PASSED)


@dataclass(frozen=True)
class Group:
    """A group of promises; ``cells`` has its tests on each topology, all promises together."""

    name: str
    cells: Mapping[str, Cell]
    lines: tuple[PromiseLine, ...]


def groups(matrix: Matrix) -> tuple[Group, ...]:
    """Return the groups of a matrix, by name."""
    lines = sorted(matrix.lines, key=lambda line: line.group)
    found = groupby(lines, key=lambda line: line.group)
    return tuple(_group(name, tuple(each), matrix.topologies) for name, each in found)


def figure(cell: Cell) -> str:
    """Return what a cell says: ``44``, or how many passed and what became of the others."""
    others = [f"{cell.counts[state]} {state}" for state in WORST_FIRST if state in cell.counts]
    return ", ".join(others) if set(cell.counts) != {PASSED} else str(cell.counts[PASSED])


def _group(name: str, lines: tuple[PromiseLine, ...], topologies: Iterable[str]) -> Group:
    cells = {}
    for topology in topologies:
        here = [line.cells[topology] for line in lines if topology in line.cells]
        if here:
            counts = sum((Counter(cell.counts) for cell in here), Counter[str]())
            why = dict.fromkeys(why for cell in here for why in cell.why)
            cells[topology] = Cell(min(counts, key=WORST_FIRST.index), dict(counts), tuple(why))
    return Group(name, cells, lines)
