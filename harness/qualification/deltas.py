"""Figures of two runs beside each other. Better and worse are said only where they are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.compat import StrEnum
from harness.measures import Measure

MARKED = 0.10
"""Share of the earlier value by which a figure has to differ to be called better or worse."""

Key = tuple[str, str, str, int]
"""Where, name, unit, and the number among those of the same."""

LOWER_IS_BETTER = ("first_token_", "gap_", "whole_")
HIGHER_IS_BETTER = ("throughput",)
"""Beginnings of the names of figures whose direction is known although nothing is promised."""


class Change(StrEnum):
    """What became of a figure."""

    OUTSIDE = "now outside its limit"
    INSIDE = "now within its limit"
    WORSE = "worse"
    BETTER = "better"
    OTHER = "changed"
    SAME = "as before"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True)
class Delta:
    """One figure in both runs; ``None`` where a run does not have it."""

    where: str
    name: str
    unit: str
    before: float | None
    after: float | None
    change: Change

    @property
    def share(self) -> float | None:
        """By which share of the earlier value it differs; ``None`` where that is 0 or unknown."""
        if self.before is None or self.after is None or self.before == 0:
            return None
        return (self.after - self.before) / abs(self.before)

    def __str__(self) -> str:
        subject = f"{self.where}: {self.name}" if self.where else self.name
        values = [_number(value, self.unit) for value in (self.before, self.after)]
        share = "" if self.share is None else f" ({self.share:+.0%})"
        return f"{subject}: {values[0]} -> {values[1]}{share}, {self.change}"

    def as_json(self) -> dict[str, Any]:
        """Return the figure's two values with their unit."""
        return {**vars(self), "change": str(self.change), "share": self.share}


def deltas(before: Iterable[Measure], after: Iterable[Measure]) -> tuple[Delta, ...]:
    """Return every figure of either run; those of the same name and place by their order."""
    old, new = dict(_keyed(before)), dict(_keyed(after))
    return tuple(_delta(key, old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new]))


def _keyed(measures: Iterable[Measure]) -> Iterator[tuple[Key, Measure]]:
    seen: list[tuple[str, str, str]] = []
    for each in measures:
        key = (each.where, each.name, each.unit)
        yield (*key, seen.count(key)), each
        seen.append(key)


def _delta(key: Key, old: Measure | None, new: Measure | None) -> Delta:
    where, name, unit, _ = key
    before, after = old.value if old else None, new.value if new else None
    return Delta(where, name, unit, before=before, after=after, change=_change(old, new))


def _change(old: Measure | None, new: Measure | None) -> Change:
    if old is None or new is None:
        return Change.NEW if old is None else Change.GONE
    if old.within_limit != new.within_limit:
        return Change.INSIDE if new.within_limit else Change.OUTSIDE
    if abs(new.value - old.value) <= MARKED * abs(old.value):
        return Change.SAME
    direction = _direction(new)
    if direction == 0:
        return Change.OTHER
    return Change.BETTER if (new.value - old.value) * direction > 0 else Change.WORSE


def _direction(measure: Measure) -> int:
    """Return 1 where more is better, -1 where less is, 0 where nobody knows."""
    if (measure.limit is None) != (measure.floor is None):
        return -1 if measure.floor is None else 1
    if measure.name.startswith(LOWER_IS_BETTER):
        return -1
    return 1 if measure.name.startswith(HIGHER_IS_BETTER) else 0


def shown(found: Sequence[Delta]) -> tuple[Delta, ...]:
    """Return what a reader has to see: what changed, the worst first."""
    changed = (each for each in found if each.change is not Change.SAME)
    return tuple(sorted(changed, key=lambda each: list(Change).index(each.change)))


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g} {unit}".rstrip()
