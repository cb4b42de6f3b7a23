"""``make soak-healthy``: the smallest deployment, qualified many times on one testbed.

Each run is a pytest and an allocation of its own, and has to be PASS, while a process beside it
keeps a core busy: a suite that fails a healthy product now and then is believed no more.
"""

from __future__ import annotations

import argparse
import sys
import time

from ci.busy import BusyCore, busy_core
from ci.on_testbed import Busy, Job, Testbed, alone, new_run_dir
from ci.stages import Stages, Stopped
from ci.streak import Ended, exit_code, last_lines, run_line
from reports.facts import read_verdict

LOAD = "(TestLoad and (crowd or hang_up) and not 256)"
"""What of the load takes seconds; all of it would double a run's time."""

HEALTHY = Job(
    "agg",
    1,
    (
        *("--num-nodes", "1"),
        *("--engine-config", "/mnt/engine_configs/deepseek_r1/simple/agg.yaml"),
        *("-k", f"(registration or TestStreaming or {LOAD} or TestShutdown) and not replicas"),
    ),
)
"""One worker of 4 ranks on one node: it registers, streams, bears a crowd and stops."""

RUN_TIMEOUT_S = 300.0


def main(argv: list[str]) -> int:
    """Return 0 when all runs are green, else the first red one's code; 128 + n after signal n."""
    options = _parser().parse_args(argv)
    started_s = time.monotonic() - options.spent_s
    runs: list[Ended] = []
    try:
        code = _all_runs(options.runs, runs, Stages())
    except Busy as busy:
        _say(f"INVALID: nothing ran: {busy}")
        return 1
    for line in last_lines(runs, options.runs):
        _say(line)
    _say(f"{'FAILED' if code else 'PASS'} ({time.monotonic() - started_s:.0f} s)")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak-healthy", description=__doc__)
    parser.add_argument(
        "--spent-s", type=float, default=0.0, help="seconds already spent installing"
    )
    parser.add_argument("--runs", type=_at_least_one, default=20, metavar="N", help="runs")
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of runs from 1 on, seen {text}")
    return int(text)


def _all_runs(wanted: int, runs: list[Ended], stages: Stages) -> int:
    """Bring the testbed up, fill ``runs``, take it down in any case; return the exit code."""
    with alone():
        testbed = Testbed(stages, _say)
        try:
            code = _in_a_row(wanted, runs, testbed)
        except Stopped as stopped:
            _say(f"INVALID: {stopped}")
            code = stopped.exit_code
        finally:
            went = testbed.down()
    if not went:
        _say("the testbed did not go down cleanly; try: .venv/bin/python -m testbed down")
    return code or (0 if went else 1)


def _in_a_row(wanted: int, runs: list[Ended], testbed: Testbed) -> int:
    if testbed.up(nodes=HEALTHY.nodes) != 0:
        _say("INVALID: nothing ran: the testbed did not come up")
        return 1
    with busy_core() as core:
        started_s = time.monotonic()
        for number in range(1, wanted + 1):
            runs.append(_one(number, testbed))
            _say(run_line(runs[-1]))
        return exit_code(runs, wanted) or _kept_busy(core, time.monotonic() - started_s)


def _one(number: int, testbed: Testbed) -> Ended:
    """Run the tests once; what pytest prints lies with the rest of the run."""
    run_dir = new_run_dir(f"healthy-{number:02}")
    run_dir.mkdir(parents=True)
    log = run_dir / "console.log"
    try:
        done = testbed.pytest(HEALTHY, "--run-dir", run_dir, timeout_s=RUN_TIMEOUT_S, output=log)
    except Stopped:
        _say(f"run {number:2}: cut short; what was written: {run_dir}")
        raise
    return Ended(number, read_verdict(run_dir), done.exit_code, done.seconds, run_dir)


def _kept_busy(core: BusyCore, seconds: float) -> int:
    """Say how much the busy process had; return 1 when it has ended before its time."""
    if not core.lives:
        _say("INVALID: the process that keeps a core busy has ended before the last run")
        return 1
    _say(f"beside a process that had {core.cpu_s() / seconds:.0%} of a core all the while")
    return 0


def _say(line: str) -> None:
    print(f"soak-healthy: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
