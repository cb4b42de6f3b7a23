"""The qualification gate: may this run decide about a release? Every rule says yes or no, and why.

Pure. The gate's class is the worst of the rules that say no, PASS when none does; its exit code is
that of :mod:`harness.verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import VerdictClass
from harness.qualification import rules
from harness.qualification.known import KnownIssues
from harness.qualification.rows import ResultRow, rows_of
from harness.qualification.rules import KINDS, Rule
from harness.qualification.saved import SavedRun
from harness.verdict import SEVERITY

GATE_FILE = "gate.json"
GATE_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class KnownFailure:
    """A failure, or a skip, that does not count, and who answers for it."""

    test: str
    topology: str
    about: str
    link: str
    owner: str
    expires: str


@dataclass(frozen=True)
class Gate:
    """What the gate found: its rules in order, warnings, known failures, stale known issues."""

    run_id: str
    kinds: tuple[str, ...]
    rules: tuple[Rule, ...]
    warnings: tuple[str, ...] = ()
    known: tuple[KnownFailure, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def refused_by(self) -> tuple[Rule, ...]:
        """The rules that say no."""
        return tuple(rule for rule in self.rules if not rule.holds)

    @property
    def verdict(self) -> VerdictClass:
        """PASS, or the worst class of the rules that say no."""
        classes = {rule.verdict_class for rule in self.refused_by}
        return next((each for each in SEVERITY if each in classes), VerdictClass.PASS)

    @property
    def last_line(self) -> str:
        """The answer in one line."""
        narrowed = "" if self.kinds == KINDS else f" of {', '.join(self.kinds)} alone"
        if not self.refused_by:
            known = f", {len(self.known)} known" if self.known else ""
            return f"release{narrowed}: yes ({len(self.rules)} rules hold{known})"
        names = ", ".join(rule.name for rule in self.refused_by)
        count = f"{len(self.refused_by)} of {len(self.rules)} rules say no"
        return f"release{narrowed}: refused, class {self.verdict} ({count}: {names})"

    def lines(self) -> list[str]:
        """Return rules, warnings, known and stale issues, and the answer, as a person reads it."""
        shown = [line for rule in self.rules for line in rule.lines()]
        shown += [f"warning: {each}" for each in self.warnings]
        shown += self.known_lines()
        shown += [f"stale: {each}" for each in self.stale]
        return [*shown, self.last_line]

    def known_lines(self) -> list[str]:
        """Return a line for each failure or skip that is known."""
        return [
            f"known: {each.test}: {each.link} ({each.owner}, until {each.expires})"
            for each in self.known
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``gate.json``."""
        return {
            "schema_version": GATE_SCHEMA_VERSION,
            "run_id": self.run_id,
            "kinds": list(self.kinds),
            "release": not self.refused_by,
            "class": str(self.verdict),
            "line": self.last_line,
            "rules": [rule.as_json() for rule in self.rules],
            "warnings": list(self.warnings),
            "known": [vars(each) for each in self.known],
            "stale": list(self.stale),
        }


def judge_gate(
    saved: SavedRun, known: KnownIssues, *, commit: str = "", kinds: Sequence[str] = KINDS
) -> Gate:
    """Judge a run; ``commit`` is that of this checkout, ``kinds`` are what the release needs."""
    wanted = tuple(kind for kind in KINDS if kind in kinds)
    rows = rows_of(saved)
    of_kinds = [row for row in rows if set(row.marks) & set(wanted)]
    return Gate(
        saved.run_id,
        wanted,
        rules=(
            rules.files(saved),
            rules.finished(saved),
            rules.engine_seen(saved),
            rules.engine_real(saved),
            rules.known_issues(known),
            rules.failures(saved, rows, known),
            rules.asked(saved, of_kinds, wanted),
            rules.ran(of_kinds),
            rules.skips(of_kinds, known),
        ),
        warnings=tuple(rules.warnings(saved, commit)),
        known=tuple(_known(row, known) for row in rows if row.id in known.by_test),
        stale=tuple(f"{each.where}: {each.about}: {why}" for each, why in known.stale),
    )


def _known(row: ResultRow, known: KnownIssues) -> KnownFailure:
    waiver = known.by_test[row.id]
    return KnownFailure(
        row.id,
        topology=row.topology,
        about=f"{row.outcome}: {row.reason}",
        link=waiver.link,
        owner=waiver.owner,
        expires=waiver.expires.isoformat(),
    )
