"""What many runs in a row came to: a line for each, the last lines, the exit code. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ci.summary import exit_code_of
from reports.facts import counts_text, cut_short

WORDS = 300
"""Characters of a first failure that the last lines show; the run directory has all of it."""


@dataclass(frozen=True)
class Ended:
    """One run as it ended; ``verdict`` is its ``verdict.json``, empty when it left none."""

    number: int
    verdict: Mapping[str, Any]
    exit_code: int
    seconds: float
    run_dir: Path

    @property
    def code(self) -> int:
        """pytest's exit code, or 1 where it says 0 and the verdict does not."""
        return exit_code_of(self.verdict, self.exit_code, down_failed=False)

    @property
    def label(self) -> str:
        """The class of the verdict; INVALID where there is none."""
        return str(self.verdict.get("verdict", "INVALID"))


def run_line(run: Ended) -> str:
    """Return number, verdict, tests and seconds; of a run that is not green also its exit code."""
    tests = counts_text(run.verdict) if run.verdict else "no verdict was written"
    end = f"; exit {run.exit_code}" if run.code else ""
    return f"run {run.number:2}: {run.label}: {tests}; {run.seconds:.1f} s{end}"


def last_lines(runs: Sequence[Ended], wanted: int) -> list[str]:
    """Return what is wrong with each run that is not green, and how many are, of those wanted."""
    red = [
        f"run {run.number} is not green: {run.run_dir}: {_cause(run)}" for run in runs if run.code
    ]
    return [*red, _summary(runs, wanted)]


def exit_code(runs: Sequence[Ended], wanted: int) -> int:
    """Return the exit code of the first run that is not green; 1 where some have not run."""
    return next((run.code for run in runs if run.code), 0 if 0 < wanted == len(runs) else 1)


def _summary(runs: Sequence[Ended], wanted: int) -> str:
    said = f"{sum(not run.code for run in runs)} green of {wanted}"
    if not runs:
        return f"{said}; none has run"
    seconds = [run.seconds for run in runs]
    missing = f"; {wanted - len(runs)} did not run" if len(runs) < wanted else ""
    return f"{said}{missing}; median {median(seconds):.1f} s, longest {max(seconds):.1f} s"


def _cause(run: Ended) -> str:
    """Return the error that ended the run, or its first failure, as one line."""
    failures: Mapping[str, Mapping[str, Any]] = run.verdict.get("failures") or {}
    first = next((f"{test}: {each.get('message', '')}" for test, each in failures.items()), "")
    known = " ".join(str(run.verdict.get("error") or first).split())
    return known[:WORDS] if known else _without_failure(run)


def _without_failure(run: Ended) -> str:
    if not run.verdict:
        return f"no verdict was written, pytest ended with {run.exit_code}"
    how = "ended before its end" if cut_short(run.verdict) else "no test failed"
    return f"{how}, pytest ended with {run.exit_code}"
