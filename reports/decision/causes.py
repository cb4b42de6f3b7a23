"""The failures of a run, each cause once with the tests it broke; the gravest class first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import VerdictClass
from harness.qualification.rerun import rerun_command
from harness.qualification.rows import FAILING, ResultRow
from harness.qualification.waivers import Waiver
from harness.qualification.words import shortened
from harness.qualification.written import Decided
from harness.verdict import SEVERITY

MESSAGE_LENGTH = 2000
"""Characters of a message that are shown; the test itself has all of it."""


@dataclass(frozen=True)
class Cause:
    """One cause: the tests that failed of it, in the order of the plan; the first tells of it.

    ``command`` runs the first of them again, empty where the run's own is unknown. ``known`` is
    its known issue, ``None`` for a failure that nobody has claimed.
    """

    tests: tuple[ResultRow, ...]
    command: str
    known: Waiver | None

    @property
    def first(self) -> ResultRow:
        """The test that failed first."""
        return self.tests[0]

    @property
    def details(self) -> tuple[str, ...]:
        """The lines below the one that names the error: what is left, on which node, ..."""
        lines = [line.removeprefix("E ").strip() for line in self.first.message.splitlines()]
        named = lines.index(self.first.reason) if self.first.reason in lines else 0
        return tuple(line for line in lines[named + 1 :] if line)

    @property
    def message(self) -> str:
        """What was said of it, as the first test has it."""
        return shortened(self.first.message, MESSAGE_LENGTH)


def causes(decided: Decided) -> tuple[Cause, ...]:
    """Return the causes of a run's failures; what is known comes behind what is not."""
    groups: dict[tuple[object, ...], list[ResultRow]] = {}
    for row in decided.rows:
        if row.outcome in FAILING:
            known = decided.known.by_test.get(row.id)
            key = (row.verdict_class, row.cause_id or row.reason, known)
            groups.setdefault(key, []).append(row)
    found = [_cause(rows, decided) for rows in groups.values()]
    return tuple(sorted(found, key=lambda cause: (cause.known is not None, _rank(cause))))


def _cause(rows: Sequence[ResultRow], decided: Decided) -> Cause:
    saved = decided.saved
    command = saved.facts.get("command", "")
    again = rerun_command(command, rows[0], saved.environment) if command else ""
    known: Mapping[str, Waiver] = decided.known.by_test
    return Cause(tuple(rows), again, known.get(rows[0].id))


def _rank(cause: Cause) -> int:
    try:
        return SEVERITY.index(VerdictClass(cause.first.verdict_class))
    except ValueError:
        return len(SEVERITY)
