"""``python -m harness clean``: end what runs have left in an allocation, when all else failed.

Only what carries a run's id is touched: its steps, its processes, its files in /dev/shm.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import PlanError, QualificationError
from harness.guard.cleaner import Cleaner
from harness.guard.leftovers import RUN_ID, Look, folded
from harness.settings import PROJECT_ROOT
from harness.slurm.allocation import Allocation, current_allocation
from harness.slurm.client import Slurm

DRAIN_S = 120.0
"""What a worker's own drain may need; see STOP_TIMEOUT_S."""


def main(argv: list[str]) -> int:
    """Return 0 when nothing of the runs in question is left, 1 when something is, or on errors."""
    options = _parse(argv)
    try:
        return _clean(options)
    except QualificationError as error:
        print(error, file=sys.stderr)
        return 1


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m harness clean",
        description="End what qualification runs have left in an allocation: steps, processes and "
        "shared memory files, known by their run id. Runs that are alive are left alone.",
    )
    parser.add_argument("--run", default="", metavar="ID", help="this run alone, alive or not")
    parser.add_argument("--dry-run", action="store_true", help="list what is there, end nothing")
    parser.add_argument("--job", default="", metavar="JOBID", help="default: the job we are in")
    parser.add_argument("--drain-s", type=float, default=DRAIN_S, metavar="S", help="before KILL")
    parser.add_argument(
        "--runs", type=Path, default=PROJECT_ROOT / "runs", help="folder of run directories"
    )
    options = parser.parse_args(argv)
    if options.run and not RUN_ID.fullmatch(options.run):
        parser.error(f"--run {options.run}: not a run id such as 20261123T225059-4711-0a1b")
    return options


def _allocation(job: str) -> tuple[Allocation, Slurm]:
    own = current_allocation(os.environ)
    if own is not None and job in {"", own.job_id}:
        return own, Slurm(own.job_id)
    if not job:
        raise PlanError("not inside a Slurm allocation", hint="say which one: --job JOBID")
    slurm = Slurm(job)
    nodes = slurm.job_nodes()
    return Allocation(job, nodes, nodes[0], ""), slurm


def _clean(options: argparse.Namespace) -> int:
    allocation, slurm = _allocation(options.job)
    cleaner = Cleaner(
        slurm, nodes=allocation.nodes, head=allocation.head_node, runs_dir=options.runs
    )
    look = cleaner.look()
    runs = [run for run in look.runs if options.run in {run, ""}]
    alive = {} if options.run else {run: cleaner.alive(run, look) for run in runs}
    for run in runs:
        print(f"{run}{': ' if alive.get(run) else ''}{alive.get(run, '')}")
        _show(look, [run])
    if not runs:
        print(f"nothing of {options.run or 'any run'} in job {allocation.job_id}")
        return 0
    ended = [run for run in runs if not alive.get(run)]
    if options.dry_run or not ended:
        print("left alone: the runs above are alive" if not ended else "dry run: nothing was ended")
        return 1 if ended else 0
    for run in ended:
        cleaner.clean(run, drain_s=options.drain_s)
    after = cleaner.look()
    left = [run for run in after.runs if run in ended]
    print("still there:" if left else f"ended: nothing of {', '.join(ended)} is left")
    _show(after, left)
    return 1 if left else 0


def _show(look: Look, runs: Sequence[str]) -> None:
    for run in runs:
        for each in folded(look.of(run)):
            print(f"  {each.kind:8} {each.node:12} {each.name:24} {each.words}".rstrip())
