"""``verdict.json``: what is in it, also for a run that was killed before it could write one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.judge_run import JudgedRun, RunCounts, TestState, judge_directory

VERDICT_FILE = "verdict.json"
SCHEMA_VERSION = 1
"""Of ``verdict.json``: counted up when a reader of before could misread it."""
FACTS_FILE = "facts.json"
NONE_SEEN = "none seen"
"""What ``facts.json`` says of an engine or of GPUs that never showed."""


def read_object(path: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file; empty when it is damaged or missing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def judged_verdict(run_dir: Path) -> Mapping[str, Any]:
    """Return what ``verdict.json`` would say of a run that wrote none; empty when unknown."""
    judged = judge_directory(run_dir)
    return verdict_json(judged, read_object(run_dir / FACTS_FILE), run_dir) if judged else {}


def verdict_json(judged: JudgedRun, facts: Mapping[str, Any], run_dir: Path) -> dict[str, Any]:
    """Return the content of ``verdict.json`` for a judged run; ``facts`` is its ``facts.json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": judged.run_id or run_dir.resolve().name,
        "verdict": str(judged.verdict),
        "finished": False,
        "interrupted": judged.interrupted,
        "counts": counts_json(judged.counts),
        "emulated": emulated_by(facts),
        "engine": str(facts.get("engine", "")),
        "seconds": round(judged.seconds, 3),
        "error": None,
        "failures": {
            end.planned.id: {"class": str(end.verdict_class), "message": end.message}
            for end in judged.failures
        },
        "not_run": _tests(judged, TestState.NOT_RUN),
        "skipped": _tests(judged, TestState.SKIPPED),
        "never_started": list(_tests(judged, TestState.NEVER_RAN)),
    }


def headline(text: str) -> str:
    """Return the line that names the error: pytest's first ``E`` line, else the first of all."""
    lines = text.splitlines() or [""]
    told = next((line for line in lines if line.startswith("E ")), lines[0])
    return told.removeprefix("E ").strip()


def counts_json(counts: RunCounts) -> dict[str, int]:
    """Return counts as ``verdict.json`` holds them."""
    return {
        "passed": counts.passed,
        "failed": counts.failed,
        "not_run": counts.not_run,
        "skipped": counts.skipped,
        "interrupted": counts.interrupted,
        "never_ran": counts.never_ran,
    }


def counts_of(verdict: Mapping[str, Any]) -> RunCounts:
    """Return the counts of a ``verdict.json``; what it does not have is 0."""
    told = verdict.get("counts")
    counts: Mapping[str, Any] = told if isinstance(told, dict) else {}
    return RunCounts(**{name: int(counts.get(name, 0)) for name in counts_json(RunCounts())})


def emulated_by(facts: Mapping[str, Any]) -> bool | None:
    """Whether engine or GPUs call themselves emulated; ``None`` while no engine has been seen.

    Real GPUs alone prove nothing about the engine on them.
    """
    told = [str(facts.get(name) or NONE_SEEN) for name in ("engine", "gpus")]
    if any("emulated" in each.lower() for each in told):
        return True
    return None if told[0] == NONE_SEEN else False


def _tests(judged: JudgedRun, state: TestState) -> dict[str, str]:
    return {end.planned.id: end.message for end in judged.ends if end.state is state}
