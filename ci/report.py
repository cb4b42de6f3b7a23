"""``make report``: render a run, then say whether it may decide about a release.

The gate is asked first, so that its answer is in the report and in ``gate.json`` whatever becomes
of the rendering, and printed last. The exit code is the gate's: that of its class, or 2 where there
is no run that is over. Where the gate says yes and no report could be made, it is 13 (INFRA), or 15
(HARNESS) for a defect of ours: 1 would be a verdict about the product.
"""

from __future__ import annotations

import argparse
import io
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path

from ci.own_code import with_own_code
from harness.cli.verdict import NO_RUN
from harness.cli.verdict import main as verdict
from harness.errors import VerdictClass
from harness.verdict import EXIT_CODES
from reports.__main__ import main as render
from reports.render import REPORT

_CLASSES = {code: each for each, code in EXIT_CODES.items()}


def main(argv: list[str]) -> int:
    """Render the run, print the gate's rules and the line with class and answer."""
    parser = argparse.ArgumentParser(prog="python -m ci.report", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a run directory, as runs/latest")
    run_dir: Path = parser.parse_args(argv).run_dir
    gate = io.StringIO()
    with redirect_stdout(gate):
        code = verdict([str(run_dir), "--release"])
    failed = _render(run_dir)
    print(gate.getvalue(), end="")
    if code == NO_RUN:
        print(f"report: no verdict: nothing to judge in {run_dir}", flush=True)
        return code
    print(last_line(code, None if failed else run_dir / REPORT), flush=True)
    return code or failed


def _render(run_dir: Path) -> int:
    """Render; return 0, or the exit code that says why there is no report now."""
    try:
        return EXIT_CODES[VerdictClass.INFRA] if render([str(run_dir)]) else 0
    except Exception:  # noqa: BLE001 - a defect of ours, shown in full
        traceback.print_exc()
        return EXIT_CODES[VerdictClass.HARNESS]


def last_line(code: int, report: Path | None) -> str:
    """Return class, answer and report in one line. Pure."""
    given = _CLASSES[code]
    answer = "may decide about a release" if given is VerdictClass.PASS else "no release on this"
    return f"report: {given}: {answer}; {report or 'no report was rendered'}"


if __name__ == "__main__":
    sys.exit(with_own_code(main, sys.argv[1:]))
