"""``python -m tests.harness.faults.track_record``: writes docs/track-record.md from the results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def main(argv: Sequence[str]) -> int:
    """Write the record; faults that have not run are in it without a result.

    Return 1 where all was asked for and something is wrong, else 0.
    """
    parser = argparse.ArgumentParser(prog="track_record", description=__doc__)
    parser.add_argument(
        "--since", type=float, default=0.0, metavar="S", help="leave older rows out"
    )
    parser.add_argument("--record", type=Path, default=RECORD, metavar="FILE", help="what to write")
    parser.add_argument("--all", action="store_true", help="fail unless each ran, and was told")
    options = parser.parse_args(argv)
    rows = {row.name: row for row in read_rows(since=options.since)}
    options.record.write_text(record(faults(), rows), encoding="utf-8")
    print(f"{options.record}: {_counts(faults(), rows)}")
    wrong = wrong_rows(faults(), rows, KNOWN_MISSES) if options.all else []
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def wrong_rows(
    library: Mapping[str, Fault], rows: Mapping[str, Row], known_misses: Mapping[str, str]
) -> list[str]:
    """Return a line for each fault that did not run, or was told otherwise than is known."""
    lines = []
    for name in library:
        if name not in rows:
            lines.append(f"{name}: did not run")
        elif rows[name].missed and name not in known_misses:
            lines.append(f"{name}: {'; '.join(rows[name].missed)}")
        elif name in known_misses and not rows[name].missed:
            lines.append(f"{name}: told as it must be; it is no known miss any more")
    return lines


def record(library: Mapping[str, Fault], rows: Mapping[str, Row]) -> str:
    """Return the record as Markdown."""
    ran = [rows[name] for name in library if name in rows]
    lines = [
        f"{_counts(library, rows)}.",
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


def _counts(library: Mapping[str, Fault], rows: Mapping[str, Row]) -> str:
    ran = [rows[name] for name in library if name in rows]
    told = sum(1 for row in ran if not row.missed)
    return f"{len(library)} faults, {len(ran)} run, {told} told as they must be"


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
    raise SystemExit(main(sys.argv[1:]))
