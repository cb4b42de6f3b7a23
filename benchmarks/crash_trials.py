"""Kill pytest at random moments and see what stays: ``python -m benchmarks.crash_trials``.

Each trial starts the suite on a testbed, waits a random time, kills pytest with SIGKILL,
and looks until nothing of the run is left. In half of the trials the job ends with pytest, in the
other half it goes on. The table has the seconds until all was gone; the exit code is 1 if once
something stayed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.harness.broken.kills import Owned, owned, stranger_on
from tests.harness.broken.world import SuiteRun, World

TESTS = "registration or streaming or shutdown"
KILL_WAIT_S = 30.0


@dataclass(frozen=True)
class Trial:
    """One kill: when, in what phase of the run, how long until all was gone, and what stayed."""

    number: int
    job_goes_on: bool
    after_s: float
    phase: str
    clean_s: float | None
    files: int
    left: str

    def __str__(self) -> str:
        job = "goes on" if self.job_goes_on else "ends"
        clean = "never" if self.clean_s is None else f"{self.clean_s:.1f}"
        words = f"{self.number:5} {job:8} {self.after_s:8.1f} {self.phase:24} {self.files:6}"
        return f"{words} {clean:>8}  {self.left or '-'}"


HEAD = "trial job       killed s phase                     files  clean s  left"


def main(argv: list[str]) -> int:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash_trials", description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latest-s", type=float, default=25.0, help="latest moment of a kill")
    parser.add_argument("--budget-s", type=float, default=20.0, help="STOP_TIMEOUT_S")
    options = parser.parse_args(argv)
    moments = random.Random(options.seed)  # noqa: S311 - repeatable, not secret
    root = Path("/var/tmp") / f"crash-trials-{os.getpid()}"  # noqa: S108 - seen from the nodes
    world = World(root / "testbed", root / "runs")
    world.up()
    trials = []
    try:
        print(HEAD, flush=True)
        for number in range(1, options.trials + 1):
            after_s = moments.uniform(0.0, options.latest_s)
            trials.append(_trial(world, number, after_s=after_s, budget_s=options.budget_s))
            print(trials[-1], flush=True)
    finally:
        world.down()
        shutil.rmtree(root)
    print(_summary(trials))
    return 0 if all(trial.clean_s is not None for trial in trials) else 1


def _summary(trials: Sequence[Trial]) -> str:
    times = sorted(trial.clean_s for trial in trials if trial.clean_s is not None)
    if not times:
        return f"0 of {len(trials)} clean"
    middle = times[len(times) // 2]
    words = f"median {middle:.1f} s, longest {times[-1]:.1f} s"
    return f"{len(times)} of {len(trials)} clean; {words}"


def _trial(world: World, number: int, *, after_s: float, budget_s: float) -> Trial:
    goes_on = number % 2 == 0
    with world.shell() as shell:
        before = shell.before if goes_on else ()
        run = world.start_suite("-k", TESTS, before=before, STOP_TIMEOUT_S=f"{budget_s:g}")
        owner = owned(run)
        time.sleep(after_s)  # the moment is what is random here
        with stranger_on(world, "node2") if goes_on else nullcontext():
            phase, files = _phase(run), _files(world)
            owner.signal(world, "KILL")
            budget = budget_s if goes_on else KILL_WAIT_S
            clean_s, left = _clean(world, owner, budget_s=budget)
        shell.leave()
        run.wait()
    return Trial(number, goes_on, after_s, phase, clean_s, files, left)


def _clean(world: World, owner: Owned, *, budget_s: float) -> tuple[float | None, str]:
    began_s = time.monotonic()
    try:
        owner.wait_clean(world, budget_s)
    except AssertionError as left:
        return None, str(left)
    return time.monotonic() - began_s, ""


def _files(world: World) -> int:
    return sum(name.startswith("moe_shared") for name in world.shm_files("node1"))


def _phase(run: SuiteRun) -> str:
    return str(run.events()[-1]["event"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
