"""Two runs beside each other: tests, figures, and what they were runs of. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.judge_run import TestState
from harness.qualification.deltas import Change, Delta, deltas, shown
from harness.qualification.rows import FAILING, UNPROVED, ResultRow, rows_of
from harness.qualification.saved import SavedRun
from harness.qualification.words import shortened

OF_ONE_RUN = ("job", "command", "preflight_")
"""Beginnings of facts that differ between any two runs, or say nothing about the product."""

FIGURES_SHOWN = 30


@dataclass(frozen=True)
class TestChange:
    """One test in both runs: state and class in each, empty where a run does not have it."""

    __test__ = False  # pytest takes the class for tests otherwise

    test: str
    topology: str
    before: str
    after: str
    reason: str

    def __str__(self) -> str:
        because = f": {shortened(self.reason)}" if self.reason else ""
        return (
            f"{self.test} on {self.topology}: {self.before or '-'} -> {self.after or '-'}{because}"
        )


@dataclass(frozen=True)
class Comparison:
    """What changed from one run to another.

    ``regressed`` passed before and was not proved now, ``not_asked`` passed before and was skipped
    now, ``reclassed`` failed in both with another class, ``still`` with the same.
    """

    before: str
    after: str
    verdicts: tuple[str, str]
    facts: Mapping[str, tuple[str, str]]
    regressed: tuple[TestChange, ...]
    fixed: tuple[TestChange, ...]
    reclassed: tuple[TestChange, ...]
    still: tuple[TestChange, ...]
    new: tuple[TestChange, ...]
    gone: tuple[TestChange, ...]
    not_asked: tuple[TestChange, ...]
    figures: tuple[Delta, ...]

    @property
    def broken_limits(self) -> tuple[Delta, ...]:
        """Figures that were within their limits, and are no more."""
        return tuple(each for each in self.figures if each.change is Change.OUTSIDE)

    @property
    def has_regressed(self) -> bool:
        """Whether anything that was proved is not any more."""
        return bool(self.regressed or self.broken_limits)

    @property
    def parts(self) -> dict[str, tuple[TestChange, ...]]:
        """The tests by what became of them, what matters most first."""
        return {
            "regressed": self.regressed,
            "failing otherwise": self.reclassed,
            "still failing": self.still,
            "fixed": self.fixed,
            "new": self.new,
            "gone": self.gone,
            "not asked any more": self.not_asked,
        }

    @property
    def last_line(self) -> str:
        """The outcome in one line."""
        counts = ", ".join(f"{len(tests)} {name}" for name, tests in self.parts.items() if tests)
        limits = len(self.broken_limits)
        figures = f", {limits} figures now outside their limits" if limits else ""
        word = "regressed" if self.has_regressed else "nothing regressed"
        return f"{word} ({counts or 'no test changed'}{figures})"

    def lines(self) -> Iterator[str]:
        """Yield the comparison as a person reads it."""
        yield f"{self.before} ({self.verdicts[0]}) -> {self.after} ({self.verdicts[1]})"
        for name, (old, new) in self.facts.items():
            yield f"fact {name}: {old or '-'} -> {new or '-'}"
        for name, tests in self.parts.items():
            yield from (f"{name}: {line}" for line in folded_changes(tests))
        figures = shown(self.figures)
        yield from (f"figure {each}" for each in figures[:FIGURES_SHOWN])
        if len(figures) > FIGURES_SHOWN:
            yield f"and {len(figures) - FIGURES_SHOWN} figures more (--json has all)"
        yield self.last_line

    def as_json(self) -> dict[str, Any]:
        """Return all of it; ``figures`` has those that did not change, too."""
        return {
            "schema_version": 1,
            "before": {"run_id": self.before, "verdict": self.verdicts[0]},
            "after": {"run_id": self.after, "verdict": self.verdicts[1]},
            "regressed": self.has_regressed,
            "line": self.last_line,
            "facts": {name: list(values) for name, values in self.facts.items()},
            "tests": {name: [vars(each) for each in some] for name, some in self.parts.items()},
            "figures": [each.as_json() for each in self.figures],
        }


def folded_changes(tests: Sequence[TestChange]) -> Iterator[str]:
    """Yield a line for each test; those that could not be asked are counted by their cause."""
    unasked = [each for each in tests if each.after in {TestState.NOT_RUN, TestState.NEVER_RAN}]
    yield from (str(each) for each in tests if each not in unasked)
    causes = Counter((each.before, each.after, each.reason) for each in unasked)
    for (before, after, reason), count in causes.items():
        because = f": {shortened(reason)}" if reason else ""
        yield f"{count} tests, {before} -> {after}{because}"


def compare(before: SavedRun, after: SavedRun) -> Comparison:
    """Return what changed from ``before`` to ``after``."""
    old = {row.id: row for row in rows_of(before)}
    new = {row.id: row for row in rows_of(after)}
    both = [(old[test], new[test]) for test in new if test in old]
    failing = [(a, b) for a, b in both if a.outcome in FAILING and b.outcome in FAILING]
    return Comparison(
        before.run_id,
        after.run_id,
        verdicts=(str(before.verdict.get("verdict")), str(after.verdict.get("verdict"))),
        facts=differing(before.facts, after.facts),
        regressed=_changes(p for p in both if _passed(p[0]) and p[1].outcome in UNPROVED),
        fixed=_changes(p for p in both if p[0].outcome in FAILING and _passed(p[1])),
        reclassed=_changes(p for p in failing if p[0].verdict_class != p[1].verdict_class),
        still=_changes(p for p in failing if p[0].verdict_class == p[1].verdict_class),
        new=tuple(_change(None, new[test]) for test in new if test not in old),
        gone=tuple(_change(old[test], None) for test in old if test not in new),
        not_asked=_changes(p for p in both if _passed(p[0]) and p[1].outcome is TestState.SKIPPED),
        figures=deltas(before.measures, after.measures),
    )


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the facts in which two runs differ, but for those of every single run."""
    names = [name for name in dict.fromkeys([*before, *after]) if not name.startswith(OF_ONE_RUN)]
    pairs = {name: (before.get(name, ""), after.get(name, "")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _passed(row: ResultRow) -> bool:
    return row.outcome is TestState.PASSED


def _changes(pairs: Iterable[tuple[ResultRow, ResultRow]]) -> tuple[TestChange, ...]:
    return tuple(_change(old, new) for old, new in pairs)


def _change(old: ResultRow | None, new: ResultRow | None) -> TestChange:
    rows: Sequence[ResultRow] = [row for row in (new, old) if row]
    reason = new.reason if new else ""
    if new and new.cause_id and new.cause_id not in reason:
        reason = f"{new.cause_id}: {reason}"
    return TestChange(rows[0].id, rows[0].topology, _word(old), _word(new), reason)


def _word(row: ResultRow | None) -> str:
    if row is None:
        return ""
    return f"{row.outcome} [{row.verdict_class}]" if row.verdict_class else str(row.outcome)
