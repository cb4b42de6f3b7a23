"""``python -m tests.harness.faults.track_record``: writes docs/track-record.md from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.settings import PROJECT_ROOT
from testbed.faults.fault import Fault
from testbed.faults.table import faults
from tests.harness.faults.known_misses import KNOWN_MISSES
from tests.harness.faults.results import Row, read_rows

RECORD = PROJECT_ROOT / "docs" / "track-record.md"
HEAD = """# Track record

What the suite said of each fault of `testbed/faults`, as `make faults` saw it on the testbed.
Written by `python -m tests.harness.faults.track_record`. Numbers are those of the fault catalogue.
Seconds are from the fault to the moment at which the run knew of a failure; a fault that is there
before the run has none.

One fault again: `.venv/bin/pytest tests/harness/faults -m faults -k "NAME]"`. By hand, in a testbed
that is up: `python -m testbed fault inject NAME`.

"""
COLUMNS = ("fault", "no.", "layer", "class", "what was said", "seconds", "right")


def main() -> int:
    """Write the record; faults that have not run are in it without a result."""
    rows = {row.name: row for row in read_rows()}
    RECORD.write_text(record(faults(), rows), encoding="utf-8")
    told = sum(1 for name in faults() if name in rows and not rows[name].missed)
    print(f"{RECORD}: {len(faults())} faults, {told} told as they must be")
    return 0


def record(library: Mapping[str, Fault], rows: Mapping[str, Row]) -> str:
    """Return the record as Markdown."""
    ran = [rows[name] for name in library if name in rows]
    told = sum(1 for row in ran if not row.missed)
    lines = [
        f"{len(library)} faults, {len(ran)} run, {told} told as they must be.",
        "",
        _line(COLUMNS),
        _line(["---"] * len(COLUMNS)),
        *(_line(_cells(fault, rows.get(name))) for name, fault in library.items()),
        "",
        "## Not told as they must be",
        "",
        "| fault | what is wrong | why, as far as it is known |",
        "|---|---|---|",
        *(_line(_miss(row)) for row in ran if row.missed),
    ]
    return HEAD + "\n".join(lines) + "\n"


def _cells(fault: Fault, row: Row | None) -> list[str]:
    numbers = ", ".join(map(str, fault.numbers)) or "-"
    if row is None:
        return [f"`{fault.name}`", numbers, fault.layer.value, "-", "did not run", "-", "-"]
    after = "-" if row.detected_after_s is None else f"{row.detected_after_s:.1f}"
    right = "no" if row.missed else "yes"
    said = row.said or "nothing"
    return [f"`{fault.name}`", numbers, fault.layer.value, row.verdict, said, after, right]


def _miss(row: Row) -> list[str]:
    return [f"`{row.name}`", "; ".join(row.missed), KNOWN_MISSES.get(row.name, "not known yet")]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
