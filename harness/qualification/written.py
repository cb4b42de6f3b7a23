"""What is written beside ``verdict.json`` when a run is over, for reports and other tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

from harness.errors import SettingsError
from harness.qualification.gate import GATE_FILE, Gate, judge_gate
from harness.qualification.known import KnownIssues, apply_waivers
from harness.qualification.matrix import MATRIX_FILE, Matrix, matrix_of
from harness.qualification.rows import ResultRow, rows_of
from harness.qualification.rules import KINDS
from harness.qualification.saved import SavedRun
from harness.qualification.tables import METRICS_FILE, RESULTS_FILE, metrics_csv, results_csv
from harness.qualification.waivers import KNOWN_ISSUES, read_waivers
from harness.rundir import RunDirectory
from harness.verdict_file import VERDICT_FILE, read_object

WRITTEN = (RESULTS_FILE, METRICS_FILE, MATRIX_FILE, GATE_FILE)


@dataclass(frozen=True)
class Decided:
    """A saved run and all that follows from it."""

    saved: SavedRun
    rows: tuple[ResultRow, ...]
    known: KnownIssues
    gate: Gate
    matrix: Matrix


def decide(
    saved: SavedRun,
    *,
    known_issues: Path = KNOWN_ISSUES,
    today: date | None = None,
    commit: str = "",
    kinds: Sequence[str] = KINDS,
) -> Decided:
    """Judge a saved run by the known issues of a file, on a day (UTC; default: this one)."""
    rows = rows_of(saved)
    known = known_on(today or datetime.now(timezone.utc).date(), rows, known_issues)
    left_out = saved.selection.needed if saved.selection else ()
    return Decided(
        saved,
        rows,
        known,
        judge_gate(saved, known, commit=commit, kinds=kinds),
        matrix_of(rows, left_out=left_out, known=known.by_test),
    )


def known_on(today: date, rows: Sequence[ResultRow], path: Path) -> KnownIssues:
    """Hold the known issues of a file against results; a fault of the file is kept, not raised."""
    try:
        return apply_waivers(read_waivers(path), rows, today=today)
    except SettingsError as wrong:
        return KnownIssues(fault=wrong.message)


def write_beside(decided: Decided) -> None:
    """Write tables, matrix and gate, and a verdict where there is none that can be read.

    A ``verdict.json`` that cannot be read is kept as ``verdict.json.damaged``.
    """
    saved = decided.saved
    directory = RunDirectory(saved.path, saved.run_id)
    verdict = saved.path / VERDICT_FILE
    if not read_object(verdict):
        if verdict.exists():
            verdict.replace(verdict.with_name(f"{VERDICT_FILE}.damaged"))
        directory.write_json(VERDICT_FILE, saved.verdict)
    if saved.has_results:
        directory.write_text(RESULTS_FILE, results_csv(decided.rows))
        directory.write_json(MATRIX_FILE, decided.matrix.as_json())
    if saved.measures:
        directory.write_text(METRICS_FILE, metrics_csv(saved.measures))
    directory.write_json(GATE_FILE, decided.gate.as_json())
