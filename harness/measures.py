"""Figures of a run, each with its unit and its limit, kept in a file and shown in the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from harness.rundir import RunDirectory

MEASURES_FILE = "measures.json"
"""Name in the run directory: a list of objects with the fields of :class:`Measure`."""


@dataclass(frozen=True)
class Measure:
    """One figure, with what is promised of it.

    ``limit`` is the most and ``floor`` the least that is promised, ``None`` if nothing is. ``name``
    completes a sentence ("client-visible window after prefill-1 was killed"), ``where`` is what was
    measured (a deployment, a topology), and ``note`` what a reader has to know beside it. A
    ``detail`` is for the report and the file; the end of a run does not show it.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    where: str = ""
    note: str = ""
    floor: float | None = None
    detail: bool = False

    @property
    def bounded(self) -> bool:
        """Whether anything is promised of it."""
        return self.limit is not None or self.floor is not None

    @property
    def within_limit(self) -> bool:
        """Whether the promise was kept; true where none is given."""
        below = self.limit is None or self.value <= self.limit
        return below and (self.floor is None or self.value >= self.floor)

    @property
    def subject(self) -> str:
        """What was measured, and where, up to and with the colon."""
        return f"{self.where}: {self.name}:" if self.where else f"{self.name}:"

    @property
    def figure(self) -> str:
        """The value with its unit, then limit and note in brackets."""
        value = _with_unit(self.value, self.unit)
        asides = [aside for aside in (self._promise, self.note) if aside]
        return f"{value} ({'; '.join(asides)})" if asides else value

    @property
    def _promise(self) -> str:
        if self.floor is not None and not self.value >= self.floor:  # NaN is not
            return f"BELOW its floor of {_with_unit(self.floor, self.unit)}"
        if self.limit is None:
            return "" if self.floor is None else f"floor {_with_unit(self.floor, self.unit)}"
        limit = _with_unit(self.limit, self.unit)
        return f"limit {limit}" if self.within_limit else f"OVER its limit of {limit}"


class Measures:
    """The figures of a run, written whole at every addition: whatever ends the run, they stay."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._measures: list[Measure] = []

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        limit: float | None = None,
        where: str = "",
        note: str = "",
        floor: float | None = None,
        detail: bool = False,
    ) -> Measure:
        """Keep a figure, write them all, and return it (see :class:`Measure`)."""
        bounds = {"limit": limit, "floor": floor}
        measure = Measure(name, value, unit, where=where, note=note, detail=detail, **bounds)
        self._measures.append(measure)
        self._directory.write_json(MEASURES_FILE, [asdict(each) for each in self._measures])
        return measure

    def lines(self, *, brief: bool = False) -> list[str]:
        """Return a line for each figure in the order of their coming, the values below each other.

        Of details ``brief`` leaves out those that are within their limits.

        ``disagg-scaled: client-visible window after prefill-1 was killed: 9.8 s (limit 15 s; ...)``
        """
        shown = [
            each for each in self._measures if not (brief and each.detail and each.within_limit)
        ]
        width = max((len(each.subject) for each in shown), default=0)
        return [f"{each.subject:<{width}} {each.figure}" for each in shown]


def _with_unit(value: float, unit: str) -> str:
    """Return a value with three digits that count, or all of those before the point."""
    number = f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
    return f"{number} {unit}".rstrip()
