"""``python -m harness history add RUN_DIR`` and ``history show``: the runs, one after the other.

``add`` appends a run that is over to the history, once; ``show`` prints the last runs and the tests
that passed and failed on the same commit, image and engine configs. Exit code 0, 2 when there is no
run that is over, 13 (INFRA) when the history cannot be read or written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from harness.cli.verdict import NO_RUN
from harness.errors import ConfigError, InfraError, VerdictClass
from harness.qualification.flakes import flakes
from harness.qualification.history import HISTORY_FILE, PastRun, append, past_run, read_history
from harness.qualification.saved import read_saved
from harness.verdict import EXIT_CODES


def main(argv: list[str]) -> int:
    """Add a run to the history, or show it."""
    parser = argparse.ArgumentParser(prog="python -m harness history", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="append a run that is over")
    add.add_argument("run_dir", type=Path, help="a run directory, as runs/latest")
    show = commands.add_parser("show", help="print the last runs, and the flaky tests")
    show.add_argument("--last", type=int, default=20, metavar="N", help="runs shown (20)")
    for each in (add, show):
        each.add_argument("--history", type=Path, default=HISTORY_FILE, metavar="FILE")
    options = parser.parse_args(argv)
    if options.command == "show":
        return _show(options.history, options.last)
    return _add(options.run_dir, options.history)


def _add(run_dir: Path, history: Path) -> int:
    try:
        run = past_run(read_saved(run_dir))
        added = append(history, run)
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return NO_RUN
    except (InfraError, OSError) as error:
        print(f"{history}: not written: {error}", file=sys.stderr)
        return EXIT_CODES[VerdictClass.INFRA]
    print(f"{history}: {run.run_id} {'added' if added else 'is there already'}")
    return 0


def _show(path: Path, last: int) -> int:
    try:
        history = read_history(path)
    except OSError as error:
        print(f"{path}: not read: {error}", file=sys.stderr)
        return EXIT_CODES[VerdictClass.INFRA]
    for fault in history.faults:
        print(f"problem: {fault}", file=sys.stderr)
    if not history.runs:
        print(f"{path}: no run yet")
        return 0
    for line in (*runs_table(history.runs[-max(1, last) :]), "", *flake_table(history.runs)):
        print(line)
    return 0


def runs_table(runs: Sequence[PastRun]) -> list[str]:
    """Return the runs as a table, the latest last."""
    head = ("began (UTC)", "run", "verdict", "passed", "failed", "not run", "s", "commit", "image")
    return _columns([head, *(_words(run) for run in runs)])


def flake_table(runs: Sequence[PastRun]) -> list[str]:
    """Return the flaky tests as a table, or the line that says there is none."""
    found = flakes(runs)
    if not found:
        return ["no test passed and failed on the same commit, image and engine configs"]
    head = ("failed", "commit", "outcomes in order", "test")
    return _columns(
        [
            head,
            *(
                (
                    f"{each.failed}/{len(each.runs)}",
                    each.commit,
                    "".join("." if outcome == "passed" else "F" for outcome in each.outcomes),
                    each.test,
                )
                for each in found
            ),
        ]
    )


def _words(run: PastRun) -> tuple[str, ...]:
    began = datetime.fromtimestamp(run.at, tz=timezone.utc).strftime("%Y-%m-%d %H:%M")
    verdict = f"{run.verdict} (emulated)" if run.emulated else run.verdict
    counts = (str(run.counts.get(name, 0)) for name in ("passed", "failed", "not_run"))
    facts = run.facts
    image = facts.get("image", "?").rpartition("/")[2]
    commit = facts.get("suite_commit", "?")
    return (began, run.run_id, verdict, *counts, f"{run.seconds:.0f}", commit, image)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    return (word.ljust(width) for word, width in zip(row, widths, strict=True))
