"""``results.csv``, one row a test, and ``metrics.csv``, one row a figure; for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from harness.measures import Measure
from harness.qualification.rows import ResultRow

RESULTS_FILE = "results.csv"
METRICS_FILE = "metrics.csv"

RESULT_COLUMNS = (
    "id", "topology", "stage", "group", "promise", "outcome", "class", "seconds", "cause",
)  # fmt: skip
"""``cause`` is the id of the diagnosed cause, else the line that says why."""

METRIC_COLUMNS = ("where", "name", "value", "unit", "limit", "floor", "within_limit", "note")
"""``limit`` and ``floor`` are in ``unit``, and empty where nothing is promised."""


def results_csv(rows: Iterable[ResultRow]) -> str:
    """Return the results as CSV with a head line."""
    return _csv(
        RESULT_COLUMNS,
        (
            (
                row.id, row.topology, row.stage, row.group, row.promise, str(row.outcome),
                row.verdict_class, f"{row.seconds:.3f}", row.cause_id or row.reason,
            )
            for row in rows
        ),
    )  # fmt: skip


def metrics_csv(measures: Iterable[Measure]) -> str:
    """Return the figures as CSV with a head line."""
    return _csv(
        METRIC_COLUMNS,
        (
            (
                each.where, each.name, each.value, each.unit, _bound(each.limit),
                _bound(each.floor), "yes" if each.within_limit else "no", each.note,
            )
            for each in measures
        ),
    )  # fmt: skip


def _bound(value: float | None) -> str:
    return "" if value is None else str(value)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue()


def _plain(cell: object) -> object:
    """Keep a spreadsheet from taking a text for a formula (``=``, ``+``, ``-``, ``@`` in front)."""
    formula = isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"}
    return f"'{cell}" if formula else cell
