"""The nightly job, started by ci/nightly.sbatch on the first node of its allocation.

It runs the suite in a folder of the archive, then has the verdict, the history, the summary and
the report written, deletes old nights, and ends with the exit code of the verdict. A TERM (the
walltime comes near, scancel, requeue) ends the suite in order, and the rest is done all the same.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ci.after_night import Aftermath, clear_away
from ci.nights import Night, drop, folder_name, read_nights, to_drop
from ci.own_code import with_own_code
from ci.slurm_jobs import job_is_there
from ci.stages import Stages, Stopped
from reports.facts import read_verdict

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

WRONG_USE = 2
"""pytest's own exit code of a wrong use."""

WIND_DOWN_S = 420.0
"""How long the suite may take to end after a TERM, of the 600 s that ci/nightly.sbatch asks for."""

KILLED = "killed before its end"

WALLTIME_S = 14 * 24 * 3600.0
"""Longer than any allocation: it is Slurm that ends a night, not a time limit of ours."""


class NotInJob(Exception):
    """This is not the batch script of a Slurm job."""


@dataclass(frozen=True)
class Job:
    """The batch job we are: id, how often it was started anew, and the nodes it has."""

    id: str
    restart: int
    nodes: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Job:
        """Read Slurm's variables; raise :class:`NotInJob` where they are not set."""
        try:
            nodes = int(environ["SLURM_JOB_NUM_NODES"])
            return cls(environ["SLURM_JOB_ID"], int(environ.get("SLURM_RESTART_COUNT", "0")), nodes)
        except KeyError as missing:
            raise NotInJob(
                f"{missing.args[0]} is not set: this is no job of Slurm's; "
                "submit it: sbatch ci/nightly.sbatch"
            ) from None


@dataclass(frozen=True)
class Asked:
    """What the site asks for; ``words`` are pytest's."""

    archive: Path
    keep: int
    mark: str
    wind_down_s: float
    words: tuple[str, ...]


def main(argv: list[str]) -> int:
    """Return the exit code of the verdict, 2 for a wrong use."""
    asked = arguments(argv, os.environ)
    try:
        job = Job.of(os.environ)
    except NotInJob as refused:
        print(f"nightly: {refused}", file=sys.stderr)
        return WRONG_USE
    stages = Stages(wind_down_s=asked.wind_down_s)
    after = Aftermath(stages, asked.archive, say=_say)
    night = begin(asked, job)
    for earlier in dead(read_nights(asked.archive), job):
        _say(f"{earlier.folder.name} was cut off; its verdict is written now")
        after.settle(replace(earlier, stopped=earlier.stopped or KILLED))
    night = after.settle(_run(night, stages, asked.archive))
    old = to_drop(read_nights(asked.archive), asked.keep)
    for problem in drop(old):
        _say(problem)
    _say_end(night, [each for each in old if not each.folder.exists()])
    return night.exit_code or 0


def arguments(argv: Sequence[str], environ: Mapping[str, str]) -> Asked:
    """Read options, each of which may also be a variable; what follows ``--`` is pytest's."""
    parser = argparse.ArgumentParser(
        prog="sbatch ci/nightly.sbatch",
        description="Run the suite in this job and archive what came out.",
        epilog="Each option may be a variable: NIGHTLY_ARCHIVE, NIGHTLY_KEEP, NIGHTLY_MARK, "
        "NIGHTLY_WIND_DOWN_S, NIGHTLY_PYTEST (as a shell would write its words).",
    )

    def default(name: str, value: str) -> str:
        return environ.get(f"NIGHTLY_{name}") or value

    parser.add_argument(
        "--archive", type=Path, default=default("ARCHIVE", "runs/nightly"), metavar="DIR",
        help="a folder for each night; seen by all nodes (default: runs/nightly)",
    )  # fmt: skip
    parser.add_argument(
        "--keep", type=_positive, default=default("KEEP", "30"), metavar="N",
        help="nights that are kept, and beyond them the newest that passed (default: 30)",
    )  # fmt: skip
    parser.add_argument(
        "--mark", default=default("MARK", "agg or disagg"), metavar="MARKS",
        help="pytest -m (default: agg or disagg)",
    )  # fmt: skip
    parser.add_argument(
        "--wind-down-s", type=float, default=default("WIND_DOWN_S", f"{WIND_DOWN_S:g}"),
        metavar="S", help="time for the suite to end after a TERM (default: 420)",
    )  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="WORD", help="for pytest, after --")
    told = parser.parse_args(argv)
    words = told.words or shlex.split(environ.get("NIGHTLY_PYTEST", ""))
    archive = (ROOT / told.archive).absolute()
    return Asked(archive, told.keep, told.mark, told.wind_down_s, tuple(words))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of nights (1 or more)")
    return int(text)


def begin(asked: Asked, job: Job) -> Night:
    """Make the folder of this start, with what is about to be run."""
    now = datetime.now(timezone.utc)
    folder = asked.archive / folder_name(now, job=job.id, restart=job.restart)
    folder.mkdir(parents=True)
    command = ("pytest", "-m", asked.mark, "--nodes", str(job.nodes), *asked.words)
    night = Night(folder, job.id, job.restart, command, time.time())
    night.write()
    return night


def dead(
    nights: Sequence[Night], job: Job, *, is_there: Callable[[str], bool] = job_is_there
) -> list[Night]:
    """Return the starts that were cut off: earlier ones of this job, and of jobs that are gone."""
    return [
        night
        for night in nights
        if not night.ended
        and (night.restart < job.restart if night.job == job.id else not is_there(night.job))
    ]


def _run(night: Night, stages: Stages, archive: Path) -> Night:
    """Run the suite, after what an earlier start of this job left is cleared away."""
    program, *words = night.command
    suite: list[str | Path] = [BIN / program, *words, "--run-dir", night.folder]
    earlier = [
        each for each in read_nights(archive)
        if each.job == night.job and each.restart < night.restart
    ]  # fmt: skip
    try:
        clear_away(earlier, stages, archive)
        _say(f"{shlex.join(map(str, suite))}")
        done = stages.run("suite", suite, timeout_s=WALLTIME_S)
    except Stopped as stopped:
        return replace(night, stopped=str(stopped))
    return replace(night, pytest_exit_code=done.exit_code)


def _say_end(night: Night, dropped: Sequence[Night]) -> None:
    if dropped:
        _say(f"deleted {len(dropped)} old: {', '.join(each.folder.name for each in dropped)}")
    verdict = read_verdict(night.folder).get("verdict", "INVALID")
    cut = f", {night.stopped}" if night.stopped else ""
    _say(f"{verdict}{cut}; exit code {night.exit_code}; archive: {night.folder}")


def _say(line: str) -> None:
    print(f"nightly: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(with_own_code(main, sys.argv[1:]))
