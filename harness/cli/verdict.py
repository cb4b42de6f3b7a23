"""``python -m harness verdict RUN_DIR``: the verdict of a run, also of one that was killed.

Prints the verdict and ends with the exit code of its class, as pytest did or would have done. A
run that was killed has no verdict.json: it is judged from tests.json and journal.jsonl, and the
file is written, with junit.xml, the tables, the matrix and the gate beside it. With ``--release``
the gate is asked: may this run decide about a release? Its rules are printed, each with yes or no
and why, and the exit code is that of the worst rule that says no.

A killed run's logs are as the product wrote them. Secrets are taken out of them here, once nobody
writes them any more, by name, by shape, and by the values that this command's environment has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.commit import suite_commit
from harness.errors import ConfigError, VerdictClass
from harness.qualification.junit import write_junit
from harness.qualification.raw_logs import take_out_later
from harness.qualification.rules import KINDS
from harness.qualification.saved import SavedRun, read_saved
from harness.qualification.waivers import KNOWN_ISSUES
from harness.qualification.written import decide, write_beside
from harness.verdict import EXIT_CODES, verdict_line
from harness.verdict_file import counts_of, headline

NO_RUN = 2
"""Exit code, pytest's own of a wrong use, where there is nothing to judge or not yet."""


def main(argv: list[str]) -> int:
    """Print the verdict of a run, or the gate's rules, and return the class's exit code."""
    options = _parse(argv)
    try:
        saved = read_saved(options.run_dir)
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return NO_RUN
    kinds = (options.kind,) if options.kind else KINDS
    decided = decide(saved, known_issues=options.known_issues, commit=suite_commit(), kinds=kinds)
    try:
        write_beside(decided)
        write_junit(saved)
    except OSError as unwritable:
        print(f"problem: nothing more was written beside the run: {unwritable}", file=sys.stderr)
    for problem in saved.problems:
        print(f"problem: {problem}", file=sys.stderr)
    given = decided.gate.verdict if options.release else _class_of(saved.verdict)
    gate, verdict = decided.gate, _lines(saved.verdict, given)
    for line in gate.lines() if options.release else (*gate.known_lines(), *verdict):
        print(line, flush=True)
    _take_out_secrets(saved)
    return EXIT_CODES[given]


def _take_out_secrets(saved: SavedRun) -> None:
    try:
        for problem in take_out_later(saved):
            print(f"problem: {problem}", file=sys.stderr)
    except OSError as unwritable:
        print(f"problem: logs may show secrets: {unwritable}", file=sys.stderr)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness verdict", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a run directory, as runs/latest")
    parser.add_argument("--release", action="store_true", help="ask the gate")
    parser.add_argument(
        "--kind", choices=KINDS, help="with --release: the one kind that the release needs"
    )
    parser.add_argument(
        "--known-issues",
        type=Path,
        default=KNOWN_ISSUES,
        metavar="FILE",
        help="default: %(default)s",
    )
    return parser.parse_args(argv)


def _class_of(verdict: Mapping[str, Any]) -> VerdictClass:
    try:
        return VerdictClass(str(verdict.get("verdict")))
    except ValueError:
        return VerdictClass.INVALID


def _lines(verdict: Mapping[str, Any], given: VerdictClass) -> Iterator[str]:
    for test, failure in dict(verdict.get("failures") or {}).items():
        yield f"{failure.get('class')} {test}: {headline(str(failure.get('message', '')))}"
    if verdict.get("error"):
        yield str(verdict["error"])
    if verdict.get("interrupted"):
        yield f"interrupted here: {verdict['interrupted']}"
    if verdict.get("finished") is False:
        yield "the run ended before its end"
    yield verdict_line(
        given,
        counts_of(verdict),
        emulated=verdict.get("emulated"),
        seconds=float(verdict.get("seconds") or 0.0),
    )
