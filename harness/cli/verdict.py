"""``python -m harness verdict RUN_DIR``: the verdict of a run, also of one that was killed.

Prints the verdict and ends with the exit code of its class, as pytest did or would have done. A
run that was killed has no verdict.json: it is judged from tests.json and journal.jsonl, and the
file is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import VerdictClass
from harness.judge_run import goes_on
from harness.rundir import RunDirectory
from harness.verdict import EXIT_CODES, verdict_line
from harness.verdict_file import VERDICT_FILE, counts_of, judged_verdict, read_object

NO_RUN = 2
"""Exit code, pytest's own of a wrong use, where there is nothing to judge or not yet."""


def main(argv: list[str]) -> int:
    """Print the verdict of a run and return its class's exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness verdict", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a run directory, as runs/latest")
    run_dir: Path = parser.parse_args(argv).run_dir
    if goes_on(run_dir):
        return _refuse(f"{run_dir}: the run goes on; it has no verdict yet")
    verdict = read_object(run_dir / VERDICT_FILE) or _judged(run_dir)
    if not verdict:
        return _refuse(
            f"{run_dir} has no {VERDICT_FILE}, and no record of its tests (tests.json and "
            "journal.jsonl) to judge by"
        )
    given = _class_of(verdict)
    for line in _lines(verdict, given):
        print(line)
    return EXIT_CODES[given]


def _judged(run_dir: Path) -> Mapping[str, Any]:
    verdict = judged_verdict(run_dir)
    if verdict and not (run_dir / VERDICT_FILE).exists():
        RunDirectory(run_dir, str(verdict["run_id"])).write_json(VERDICT_FILE, verdict)
    return verdict


def _class_of(verdict: Mapping[str, Any]) -> VerdictClass:
    try:
        return VerdictClass(str(verdict.get("verdict")))
    except ValueError:
        return VerdictClass.INVALID


def _lines(verdict: Mapping[str, Any], given: VerdictClass) -> Iterator[str]:
    for test, failure in dict(verdict.get("failures") or {}).items():
        yield f"{failure.get('class')} {test}: {_headline(str(failure.get('message', '')))}"
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


def _headline(text: str) -> str:
    """Return the line that names the error: pytest's first ``E`` line, else the first of all."""
    lines = text.splitlines() or [""]
    told = next((line for line in lines if line.startswith("E ")), lines[0])
    return told.removeprefix("E").strip()


def _refuse(why: str) -> int:
    print(why, file=sys.stderr)
    return NO_RUN
