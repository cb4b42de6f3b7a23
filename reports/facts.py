"""What a report is called, and what it says about the run in a word each: from ``verdict.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.judge_run import goes_on
from harness.verdict_file import VERDICT_FILE, counts_of, judged_verdict, read_object

UNFINISHED = "no verdict: the run did not end by itself"
GOES_ON = "no verdict yet: the run goes on"
CUT_SHORT = "ended before its end"
NO_RELEASE = "emulated engine: not a release verdict"


@dataclass(frozen=True)
class RunFacts:
    """The first line of the report, and the pairs shown beside it."""

    name: str
    variables: Mapping[str, str]


def read_verdict(run_dir: Path) -> Mapping[str, Any]:
    """Return the verdict of a run as ``verdict.json`` has it, or would have it after a kill.

    Empty when the file is damaged or missing and nothing tells which tests ran, or they still do.
    """
    stored = read_object(run_dir / VERDICT_FILE)
    return stored or ({} if goes_on(run_dir) else judged_verdict(run_dir))


def facts_of(run_dir: Path) -> RunFacts:
    """Return what the report of ``run_dir`` is called; an emulated engine is named there."""
    verdict = read_verdict(run_dir)
    run = str(verdict.get("run_id") or run_dir.resolve().name)
    if not verdict:
        unknown = GOES_ON if goes_on(run_dir) else UNFINISHED
        return RunFacts(f"{unknown} ({run})", {"run": run, "verdict": unknown})
    label = str(verdict.get("verdict", "INVALID"))
    counts = counts_text(verdict)
    engine = str(verdict.get("engine") or "unknown")
    emulated = verdict.get("emulated") is True
    said = f"{CUT_SHORT} ({counts})" if cut_short(verdict) else counts
    name = f"{label}, {NO_RELEASE}: {said}" if emulated else f"{label}: {said}"
    variables = {"verdict": label, "tests": counts, "engine": engine, "run": run}
    if emulated:
        variables["release verdict"] = "none: the engine is emulated"
    if verdict.get("interrupted"):
        variables["interrupted"] = str(verdict["interrupted"])
    if verdict.get("error"):
        variables["stopped by"] = str(verdict["error"]).splitlines()[0]
    return RunFacts(name, variables)


def cut_short(verdict: Mapping[str, Any]) -> bool:
    """Whether a run ended before all its tests did; runs of before it was noted did not."""
    return verdict.get("finished") is False


def counts_text(verdict: Mapping[str, Any]) -> str:
    """Return ``34 passed, 0 failed, 0 not run``; a count that is missing is said to be unknown.

    With ``, 2 skipped`` where tests were skipped: what they are about was not proved.
    Of a run that was cut short also ``1 interrupted, 12 never ran``.
    """
    if cut_short(verdict):
        return str(counts_of(verdict))
    counts = verdict.get("counts")
    known: Mapping[str, Any] = counts if isinstance(counts, dict) else {}
    words = {"passed": "passed", "failed": "failed", "not_run": "not run"}
    if known.get("skipped"):
        words["skipped"] = "skipped"
    return ", ".join(f"{known.get(key, 'unknown')} {word}" for key, word in words.items())
