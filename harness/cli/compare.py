"""``python -m harness compare RUN_A RUN_B``: what changed from one run to another.

Exit code 0 when nothing regressed, 1 when something did: a test that passed in RUN_A did not pass
in RUN_B, or a figure left its limits; 2 when a folder is no run that is over, 14 (INVALID) when a
run holds no results, or results of another run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from harness.cli.verdict import NO_RUN
from harness.errors import ConfigError, VerdictClass
from harness.qualification.comparison import compare
from harness.qualification.problems import MIXED
from harness.qualification.saved import SavedRun, read_saved
from harness.verdict import EXIT_CODES


def main(argv: list[str]) -> int:
    """Print the comparison and return 0, 1, 2 or 14."""
    parser = argparse.ArgumentParser(prog="python -m harness compare", description=__doc__)
    parser.add_argument("before", type=Path, metavar="RUN_A", help="the earlier run's directory")
    parser.add_argument("after", type=Path, metavar="RUN_B", help="the later run's directory")
    parser.add_argument("--json", action="store_true", help="all of it, as one JSON object")
    options = parser.parse_args(argv)
    try:
        before, after = read_saved(options.before), read_saved(options.after)
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return NO_RUN
    for saved in (before, after):
        for problem in saved.problems:
            print(f"problem: {saved.path}: {problem}", file=sys.stderr)
    unusable = [saved for saved in (before, after) if not _comparable(saved)]
    for saved in unusable:
        print(f"{saved.path}: no results of one run to compare", file=sys.stderr)
    if unusable:
        return EXIT_CODES[VerdictClass.INVALID]
    found = compare(before, after)
    print(json.dumps(found.as_json(), indent=2) if options.json else "\n".join(found.lines()))
    return 1 if found.has_regressed else 0


def _comparable(saved: SavedRun) -> bool:
    """Whether a run has results, all of them its own."""
    return saved.has_results and not any(each.startswith(MIXED) for each in saved.problems)
