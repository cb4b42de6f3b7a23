"""What the report says about the run before anything else, from ``verdict.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNFINISHED = "no verdict: the run did not end by itself"


@dataclass(frozen=True)
class RunFacts:
    """The first line of the report, and the pairs shown beside it."""

    name: str
    variables: Mapping[str, str]


def read_verdict(run_dir: Path) -> Mapping[str, Any]:
    """Return ``verdict.json`` of a run; empty when it is damaged or, after a kill, missing."""
    try:
        found = json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def facts_of(run_dir: Path) -> RunFacts:
    """Return what the report of ``run_dir`` is called; an emulated engine is named there."""
    verdict = read_verdict(run_dir)
    run = str(verdict.get("run_id") or run_dir.resolve().name)
    if not verdict:
        return RunFacts(f"{UNFINISHED} ({run})", {"run": run, "verdict": UNFINISHED})
    label = str(verdict.get("verdict", "INVALID"))
    counts = counts_text(verdict)
    engine = str(verdict.get("engine") or "unknown")
    emulated = verdict.get("emulated") is True
    name = f"{label}, emulated engine: {counts}" if emulated else f"{label}: {counts}"
    variables = {"run": run, "verdict": label, "tests": counts, "engine": engine}
    if emulated:
        variables["release verdict"] = "none: the engine is emulated"
    if verdict.get("error"):
        variables["stopped by"] = str(verdict["error"]).splitlines()[0]
    return RunFacts(name, variables)


def counts_text(verdict: Mapping[str, Any]) -> str:
    """Return ``34 passed, 0 failed, 0 not run``; a count that is missing is said to be unknown."""
    counts = verdict.get("counts")
    known: Mapping[str, Any] = counts if isinstance(counts, dict) else {}
    words = {"passed": "passed", "failed": "failed", "not_run": "not run"}
    return ", ".join(f"{known.get(key, 'unknown')} {word}" for key, word in words.items())
