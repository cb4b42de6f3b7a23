"""Known issues held against the results of a run: which fit, which are over, which fit nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from harness.judge_run import TestState
from harness.qualification.rows import ResultRow
from harness.qualification.waivers import Waiver

WAIVABLE = (TestState.FAILED, TestState.SKIPPED)
"""What a known issue may be about. What did not run has nobody seen fail in the known way."""


@dataclass(frozen=True)
class KnownIssues:
    """``by_test`` has the known issue of each failed or skipped test that one fits.

    ``stale`` are those that fit nothing, each with why; ``expired`` count no more. ``fault`` says
    what is wrong with the file itself.
    """

    by_test: Mapping[str, Waiver] = field(default_factory=dict)
    expired: tuple[Waiver, ...] = ()
    stale: tuple[tuple[Waiver, str], ...] = ()
    fault: str = ""


def apply_waivers(
    waivers: Sequence[Waiver], rows: Sequence[ResultRow], *, today: date
) -> KnownIssues:
    """Return which known issues fit which tests on a day."""
    live = [each for each in waivers if not each.expired(today)]
    by_test: dict[str, Waiver] = {}
    used: set[Waiver] = set()
    for row in rows:
        if row.outcome not in WAIVABLE:
            continue
        fitting = [
            each
            for each in live
            if each.names(row.id, row.promise, row.topology) and each.covers(row.message)
        ]
        used.update(fitting)
        if fitting:
            by_test[row.id] = fitting[0]
    return KnownIssues(
        by_test,
        expired=tuple(each for each in waivers if each.expired(today)),
        stale=tuple((each, _why_stale(each, rows)) for each in live if each not in used),
    )


def _why_stale(waiver: Waiver, rows: Sequence[ResultRow]) -> str:
    about = [row for row in rows if waiver.names(row.id, row.promise, row.topology)]
    if not about:
        return "this run has no such test"
    ends = sorted({str(row.outcome) for row in about})
    if any(row.outcome in WAIVABLE for row in about):
        return f"no message has the words {waiver.message!r} ({', '.join(ends)})"
    return f"its tests did not fail ({', '.join(ends)})"
