"""``make qualify``, ``qualify-disagg`` and ``soak``: a job of the suite, proved on this machine."""

from __future__ import annotations

import argparse
import sys
import time

from ci.on_testbed import AGG, DISAGG, Busy, Job, new_run_dir, run_suite, soak
from ci.stages import Stages
from ci.summary import exit_code_of, verdict_line
from reports.facts import read_verdict


def main(argv: list[str]) -> int:
    """Return pytest's exit code; 1 when the verb itself failed, 128 + n when signal n came."""
    parser = argparse.ArgumentParser(prog="make qualify", description=__doc__)
    parser.add_argument(
        "--spent-s", type=float, default=0.0, help="seconds already spent installing"
    )
    parser.add_argument("--disagg", action="store_true", help="the disaggregated job")
    parser.add_argument("--soak", type=int, metavar="N", help="one deployment, N times over")
    options = parser.parse_args(argv)
    started_s = time.monotonic() - options.spent_s
    job, purpose = _job(options)
    run_dir = new_run_dir(purpose)
    try:
        done = run_suite(job, Stages(), run_dir=run_dir, say=_say)
    except Busy as busy:
        _say(f"INVALID: nothing ran: {busy}")
        return 1
    if done.down_failed:
        _say("the testbed did not go down cleanly; try: .venv/bin/python -m testbed down")
    if done.stopped:
        _say(f"INVALID: {done.stopped}; what was written: {run_dir}")
        return done.exit_code
    if done.up_failed:
        _say(f"INVALID: nothing ran: the testbed did not come up (exit {done.exit_code})")
        return 1
    verdict = read_verdict(run_dir)
    seconds = time.monotonic() - started_s
    _say(verdict_line(verdict, done.exit_code, seconds=seconds, run_dir=run_dir))
    return exit_code_of(verdict, done.exit_code, down_failed=done.down_failed)


def _job(options: argparse.Namespace) -> tuple[Job, str]:
    """Return what is to be run, and what its run directory is called for."""
    if options.soak is not None:
        return soak(options.soak), "soak"
    return (DISAGG, "qualify-disagg") if options.disagg else (AGG, "qualify")


def _say(line: str) -> None:
    print(f"qualify: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
