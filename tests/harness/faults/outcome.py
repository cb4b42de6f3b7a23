"""What a run said of a fault, and whether that is what must be said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.verdict_file import VERDICT_FILE, judged_verdict, read_object
from testbed.faults.fault import Said
from tests.harness.broken.world import SuiteRun

EXIT_CODES = {
    "PASS": 0,
    "FAIL": 1,
    "LEAK": 11,
    "CONFIG": 12,
    "INFRA": 13,
    "INVALID": 14,
    "HARNESS": 15,
}
"""Of pytest by class (README.md)."""

TERMINATED = 143
"""Exit code of a run that SIGTERM cut short, whatever its class."""

_SEVERAL_NODES = re.compile(r"\(step [^)]*,[^)]*,[^)]*\)|\bof node\d+(, node\d+)+")


@dataclass(frozen=True)
class Outcome:
    """How a run with a fault ended: ``cause`` is the message of its first failure, or empty."""

    verdict: str
    exit_code: int
    cause: str
    detected_after_s: float | None
    cut_short: bool = False


def outcome_of(run: SuiteRun, at: float | None) -> Outcome:
    """Wait for the end of a run; ``at`` is when the fault was, in seconds since the epoch."""
    run.wait()
    found = read_object(run.run_dir / VERDICT_FILE) or judged_verdict(run.run_dir)
    detected = _detected_at(run.run_dir)
    return Outcome(
        verdict=str(found.get("verdict", "none")),
        exit_code=run.exit_code,
        cause=_first_cause(found),
        detected_after_s=None if at is None or detected is None else round(detected - at, 1),
        cut_short=found.get("finished") is False,
    )


def knows_of_failure(run: SuiteRun) -> bool:
    """Whether the run has noted that something failed."""
    return _detected_at(run.run_dir) is not None


def missed(outcome: Outcome, said: Said) -> list[str]:
    """Return what was not said as it must be, one phrase each.

    A node among all those of its step is not named.
    """
    wrong = []
    if outcome.verdict not in said.verdict:
        wrong.append(f"class {outcome.verdict} instead of {' or '.join(said.verdict)}")
    allowed = {EXIT_CODES.get(outcome.verdict), *([TERMINATED] if outcome.cut_short else [])}
    if outcome.exit_code not in allowed:
        wrong.append(f"exit code {outcome.exit_code} with class {outcome.verdict}")
    wrong += [
        f"{pattern!r} is not in the first cause"
        for pattern in said.patterns
        if not re.search(pattern, outcome.cause)
    ]
    if said.node and not re.search(rf"\b{said.node}\b", _SEVERAL_NODES.sub("", outcome.cause)):
        wrong.append(f"{said.node} is not named")
    if said.rank is not None and not _names_rank(outcome.cause, said.rank):
        wrong.append(f"rank {said.rank} is not named")
    late_s = outcome.detected_after_s
    if said.within_s is not None and (late_s is None or late_s > said.within_s):
        seen = "not noted" if late_s is None else f"{late_s:.1f} s"
        wrong.append(f"detected after {seen} instead of {said.within_s:.0f} s")
    return wrong


def _names_rank(cause: str, rank: int) -> bool:
    """Whether a message has a rank: as ``rank 9``, or among those that are ``missing 3, 9``."""
    named = rf"\b(rank|missing( \d+,)*) {rank}\b"
    return re.search(named, cause) is not None


def _first_cause(verdict: Mapping[str, Any]) -> str:
    """Return the error that ended the run, or the message of the first failed test."""
    failures = verdict.get("failures") or {}
    first: Mapping[str, Any] = next(iter(failures.values()), {})
    return str(verdict.get("error") or first.get("message", ""))


def _detected_at(run_dir: Path) -> float | None:
    """Return when the run first knew of a failure: a deployment given up, or a failed outcome."""
    events = [each for each in _lines(run_dir / "events.jsonl") if each["event"] == "abandoned"]
    outcomes = [
        each for each in _lines(run_dir / "journal.jsonl") if each.get("outcome") == "failed"
    ]
    return min((float(each["at"]) for each in [*events, *outcomes]), default=None)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]  # the last may be under way
    return [json.loads(line) for line in whole.splitlines()]
