"""Promises x topologies: where each promise was kept, broken or not asked, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.judge_run import TestState
from harness.planned import PlannedTest
from harness.qualification.rows import ResultRow, group_of, name_of
from harness.topology_names import TOPOLOGY_NAMES

MATRIX_FILE = "matrix.json"
NOT_SELECTED = "not selected"
KNOWN = "known issue"
"""States of a cell besides those of a test."""

WORST_FIRST = (
    str(TestState.FAILED), str(TestState.INTERRUPTED), KNOWN, str(TestState.NOT_RUN),
    str(TestState.NEVER_RAN), str(TestState.SKIPPED), NOT_SELECTED, str(TestState.PASSED),
)  # fmt: skip
"""Which state names a cell whose tests ended differently."""


@dataclass(frozen=True)
class Cell:
    """A promise on one topology: ``counts`` by state, ``why`` for whatever did not pass."""

    state: str
    counts: Mapping[str, int]
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return ``failed 1/12``; of a single test only its state."""
        tests = sum(self.counts.values())
        return self.state if tests == 1 else f"{self.state} {self.counts[self.state]}/{tests}"


@dataclass(frozen=True)
class PromiseLine:
    """A promise, named by its test, and its cell for each topology on which it is made."""

    group: str
    name: str
    promise: str
    cells: Mapping[str, Cell]

    @property
    def kept(self) -> bool:
        """Whether all its tests that were selected passed."""
        seen = {state for cell in self.cells.values() for state in cell.counts}
        return seen <= {str(TestState.PASSED), NOT_SELECTED}

    @property
    def selected(self) -> bool:
        """Whether all its tests were selected, wherever it is made."""
        return all(NOT_SELECTED not in cell.counts for cell in self.cells.values())

    @property
    def why(self) -> str:
        """What was said of whatever did not pass, each once."""
        return "; ".join(dict.fromkeys(why for cell in self.cells.values() for why in cell.why))


@dataclass(frozen=True)
class Matrix:
    """All promises of a run, in the order of its plan; topologies in the order of deployment."""

    topologies: tuple[str, ...]
    lines: tuple[PromiseLine, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``matrix.json``."""
        return {
            "topologies": list(self.topologies),
            "promises": [
                {
                    "group": line.group,
                    "test": line.name,
                    "promise": line.promise,
                    "topologies": {
                        name: {"state": cell.state, "tests": dict(cell.counts), "why": cell.why}
                        for name, cell in line.cells.items()
                    },
                }
                for line in self.lines
            ],
        }


@dataclass(frozen=True)
class _Seen:
    """One test of a cell."""

    topology: str
    promise: str
    state: str
    why: str


def matrix_of(
    rows: Sequence[ResultRow],
    *,
    left_out: Iterable[PlannedTest] = (),
    known: Iterable[str] = (),
) -> Matrix:
    """Arrange results; ``left_out`` are tests that were not selected, ``known`` waived test ids."""
    waived = set(known)
    tests: dict[tuple[str, str], list[_Seen]] = {}
    for row in rows:
        state = KNOWN if row.id in waived else str(row.outcome)
        seen = _Seen(row.topology, row.promise, state, row.reason)
        tests.setdefault((row.group, row.name), []).append(seen)
    for test in left_out:
        seen = _Seen(test.topology, test.promise, NOT_SELECTED, "")
        tests.setdefault((group_of(test.id), name_of(test.id)), []).append(seen)
    there = {each.topology for line in tests.values() for each in line}
    known_first = [name for name in TOPOLOGY_NAMES if name in there]
    topologies = (*known_first, *sorted(there - set(known_first)))
    return Matrix(
        topologies,
        tuple(
            PromiseLine(group, name, seen[0].promise, _cells(seen, topologies))
            for (group, name), seen in tests.items()
        ),
    )


def _cells(seen: Sequence[_Seen], topologies: Sequence[str]) -> dict[str, Cell]:
    cells = {}
    for name in topologies:
        here = [each for each in seen if each.topology == name]
        if here:
            counts = Counter(each.state for each in here)
            worst = min(counts, key=WORST_FIRST.index)
            why = dict.fromkeys(each.why for each in here if each.state != TestState.PASSED)
            cells[name] = Cell(worst, dict(counts), tuple(each for each in why if each))
    return cells
