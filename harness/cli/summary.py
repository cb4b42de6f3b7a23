"""``python -m harness summary RUN_DIR``: a run in Markdown, for the page of a CI job.

With ``--against`` or ``--history`` the page says what changed since an earlier run: the one that
is named, or of the history the last one and the last that passed, as far as their directories are
there. Exit code 0 when a page was made, whatever the verdict (``verdict`` has its code), 2 when
there is no run that is over.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cli.verdict import NO_RUN
from harness.commit import suite_commit
from harness.errors import ConfigError
from harness.qualification.earlier import Changes, against, changes
from harness.qualification.history import readable_history
from harness.qualification.rules import KINDS
from harness.qualification.saved import read_saved
from harness.qualification.summary import summary
from harness.qualification.waivers import KNOWN_ISSUES
from harness.qualification.written import decide


def main(argv: list[str]) -> int:
    """Write the page and return 0, or 2."""
    options = _parse(argv)
    try:
        saved = read_saved(options.run_dir)
        before = read_saved(options.against) if options.against else None
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return NO_RUN
    kinds = (options.kind,) if options.kind else KINDS
    decided = decide(saved, known_issues=options.known_issues, commit=suite_commit(), kinds=kinds)
    if before:
        found = Changes((against(before, saved),))
    else:
        found = changes(saved, readable_history(options.history)) if options.history else Changes()
    for problem in found.problems:
        print(f"problem: {problem}", file=sys.stderr)
    page = summary(decided, found.since)
    if options.output:
        options.output.write_text(page, encoding="utf-8")
    else:
        print(page, end="")
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness summary", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a run directory, as runs/latest")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--against", type=Path, metavar="RUN_DIR", help="compare with this run")
    parser.add_argument("--history", type=Path, metavar="FILE", help="compare with its last runs")
    parser.add_argument("--kind", choices=KINDS, help="the one kind that the release needs")
    parser.add_argument("--known-issues", type=Path, default=KNOWN_ISSUES, metavar="FILE")
    return parser.parse_args(argv)
