"""The last line of a verb: what came out, in one line. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.facts import CUT_SHORT, counts_text, cut_short


def verdict_line(
    verdict: Mapping[str, Any], exit_code: int, *, seconds: float, run_dir: Path
) -> str:
    """Return verdict, counts, whether the engine is emulated, seconds, and the path of the report.

    ``verdict`` is the content of ``verdict.json``, empty when the run left nothing to judge by.
    """
    parts = [*_outcome(verdict, exit_code), f"{seconds:.0f} s", _where(run_dir)]
    return "; ".join(parts)


def _outcome(verdict: Mapping[str, Any], exit_code: int) -> list[str]:
    if not verdict:
        return [f"INVALID: no verdict was written, pytest ended with {exit_code}"]
    counts = counts_text(verdict)
    said = f"{CUT_SHORT} ({counts})" if cut_short(verdict) else counts
    outcome = [f"{verdict.get('verdict', 'INVALID')}: {said}"]
    if verdict.get("emulated") is True:
        outcome.append("emulated engine")
    return outcome


def _where(run_dir: Path) -> str:
    report = run_dir / "report.html"
    if report.is_file():
        return f"report: {_short(report)}"
    if run_dir.is_dir():
        return f"no report was rendered, the results: {_short(run_dir)}"
    return "no run directory was written"


def _short(path: Path) -> str:
    """Return ``path`` as seen from here when it lies below, else as it is."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def exit_code_of(verdict: Mapping[str, Any], exit_code: int, *, down_failed: bool) -> int:
    """Return pytest's exit code, or 1 where it says 0 and something else went wrong."""
    if exit_code != 0:
        return exit_code
    return 0 if verdict.get("verdict") == "PASS" and not down_failed else 1
