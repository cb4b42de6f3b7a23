"""``python -m harness judge RUN_DIR``: judge the saved requests of a run again.

The judges of today look at the saved records; no server, no cluster is needed. Prints what they
find otherwise than the run did, and ends with the exit code of the verdict that follows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import QualificationError
from harness.rejudge import NO_JUDGEMENTS, rejudge
from harness.verdict import EXIT_CODES

NO_RUN = 2
"""Exit code, pytest's own of a wrong use, where there is nothing to judge."""


def main(argv: list[str]) -> int:
    """Print the verdict of a run by its records, and return its class's exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness judge", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a run directory, as runs/latest")
    run_dir: Path = parser.parse_args(argv).run_dir
    try:
        again = rejudge(run_dir)
    except QualificationError as error:
        print(error, file=sys.stderr)
        return EXIT_CODES[error.verdict_class]
    if again is None:
        print(f"{run_dir}: {NO_JUDGEMENTS}", file=sys.stderr)
        return NO_RUN
    for line in again.lines():
        print(line)
    return EXIT_CODES[again.verdict]
