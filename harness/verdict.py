"""The verdict of a run, pure: from the class of each failure and the counts of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import VerdictClass

SEVERITY = (
    VerdictClass.FAIL,
    VerdictClass.LEAK,
    VerdictClass.CONFIG,
    VerdictClass.INFRA,
    VerdictClass.HARNESS,
    VerdictClass.INVALID,
)
"""Which class names a run that has several: a broken promise of the product outweighs all."""

EXIT_CODES = {
    VerdictClass.PASS: 0,
    VerdictClass.FAIL: 1,
    VerdictClass.LEAK: 11,
    VerdictClass.CONFIG: 12,
    VerdictClass.INFRA: 13,
    VerdictClass.INVALID: 14,
    VerdictClass.HARNESS: 15,
}
"""Exit code of pytest by class; 2 to 5 are pytest's own."""


@dataclass(frozen=True)
class Counts:
    """How many tests passed, failed, did not run because of a failure, or were just skipped."""

    passed: int = 0
    failed: int = 0
    not_run: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed, {self.not_run} not run"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def verdict_of(failures: Sequence[VerdictClass], counts: Counts, *, finished: bool) -> VerdictClass:
    """Return the class of a run; one without a passed test, or cut short, proved nothing."""
    for each in SEVERITY:
        if each in failures:
            return each
    if not finished or counts.passed == 0 or counts.not_run:
        return VerdictClass.INVALID
    return VerdictClass.PASS


def verdict_line(
    verdict: VerdictClass, counts: Counts, *, emulated: bool | None, seconds: float
) -> str:
    """Return the line that a person reads first; ``emulated`` is ``None`` if no engine was seen."""
    engine = ", emulated engine: not a release verdict" if emulated else ""
    if emulated is None and verdict is VerdictClass.PASS:
        engine = ", engine not seen: not a release verdict"
    return f"verdict: {verdict} ({counts}{engine}, {seconds:.0f} s)"
