"""`run` and `shell`: take an allocation and run a command on its first node, as after `salloc`.

salloc is started on the login host; it starts an interactive step, whose only task fetches the
command and the caller's own streams (see handover.py) and becomes the command. Slurm's exit code of
that step is the answer. salloc's and srun's own words are kept apart in a log and shown when they
tell more than the exit code does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from testbed.cluster import slurm
from testbed.cluster.errors import NotUp, TestbedError
from testbed.cluster.hosts import clean_environment, run_on
from testbed.cluster.paths import StateFolder
from testbed.cluster.session import Session
from testbed.cluster.tree import Tree, read_tree

WAIT_S = 30
_GRANTED = re.compile(r"salloc: Granted job allocation (\d+)")
_GIVEN_BACK = "salloc: Relinquishing"
_ORDINARY = re.compile(
    r"salloc: (Granted|Pending|Waiting|Nodes|job \d+ (queued|has been))"
    r"|srun: Force Terminated StepId"
    r"|srun: error: \S+: task 0: (Exited with exit code|Terminated|Killed|Interrupt|Hangup|Quit)"
)


@dataclass(frozen=True)
class Allocation:
    """What to ask Slurm for; `time` in Slurm's own form, `wait_s` the longest time to queue."""

    nodes: int
    time: str = "04:00:00"
    wait_s: int = WAIT_S


def run(state: StateFolder, allocation: Allocation, command: Sequence[str]) -> int:
    """Run `command` in a new allocation; returns its exit code (128 + n for signal n).

    Raises NotUp, or TestbedError when the allocation cannot be had.
    """
    tree = require_up(state)
    _check_size(tree, allocation)
    _check_folder(tree, Path.cwd())
    log = state.log_of(f"run-{os.getpid()}")
    session = Session(
        login_pid=tree.anchor.pid,
        command=command,
        socket_path=state.sockets / f"run-{os.getpid()}",
    )
    salloc = _salloc(tree, allocation, name=Path(command[0]).name)
    code = session.run(salloc, environment=caller_environment(), log=log)
    lines = log.read_text(errors="replace").splitlines()
    log.unlink()
    _make_sure_it_is_given_back(tree, lines)
    if not session.command_began and code < 128:
        raise TestbedError(_no_allocation(tree, allocation, lines))
    for line in unusual_lines(lines):
        print(line, file=sys.stderr)
    return code


def _make_sure_it_is_given_back(tree: Tree, lines: Sequence[str]) -> None:
    """End the job when salloc died before it could; its nodes would be held for hours."""
    granted = [match.group(1) for line in lines if (match := _GRANTED.match(line))]
    if granted and not any(line.startswith(_GIVEN_BACK) for line in lines):
        run_on(tree.anchor.pid, ["scancel", granted[0]])


def unusual_lines(lines: Sequence[str]) -> list[str]:
    """Tell what salloc and srun said beyond the ordinary, until the allocation was given back."""
    before = takewhile(lambda line: not line.startswith(_GIVEN_BACK), lines)
    return [line for line in before if line and not _ORDINARY.match(line)]


def require_up(state: StateFolder) -> Tree:
    """Return the living testbed; raises NotUp when there is none."""
    tree = read_tree(state)
    if tree is None:
        raise NotUp(
            f"testbed: not up (state folder {state.root}); start it with `python -m testbed up`"
        )
    return tree


def _check_size(tree: Tree, allocation: Allocation) -> None:
    have = tree.record.shape.nodes
    if not 1 <= allocation.nodes <= have:
        raise TestbedError(
            f"testbed: {allocation.nodes} nodes were asked for, the testbed has {have};"
            " `python -m testbed up --nodes N` makes one of N"
        )


def _check_folder(tree: Tree, folder: Path) -> None:
    """Refuse to start from a folder that the hosts do not see (TestbedError)."""
    if not Path(f"/proc/{tree.anchor.pid}/root{folder}").is_dir():
        raise TestbedError(
            f"testbed: {folder} is not seen on the nodes: each has its own /tmp, /run, /dev and"
            " /srv. Start from a folder elsewhere, or from the checkout that brought it up."
        )


def _salloc(tree: Tree, allocation: Allocation, *, name: str) -> list[str]:
    gpus = tree.record.shape.gpus_per_node
    command = ["salloc", f"--nodes={allocation.nodes}", "--exclusive", f"--time={allocation.time}"]
    command += [f"--immediate={allocation.wait_s}", "--no-bell", f"--job-name={name}"]
    return [*command, f"--gres=gpu:{gpus}"] if gpus else command


def _no_allocation(tree: Tree, allocation: Allocation, lines: list[str]) -> str:
    holders = [
        f"job {job.job_id} ({job.name}, {job.state.lower()}) holds {job.nodes or 'no node'}"
        for job in slurm.jobs(tree.anchor.pid)
    ]
    words = "\n".join(f"    {line}" for line in lines)
    if not holders:
        return f"testbed: no allocation of {allocation.nodes} nodes; salloc and srun said:\n{words}"
    return (
        f"testbed: no allocation of {allocation.nodes} nodes within {allocation.wait_s} s:"
        f" {'; '.join(holders)}. `python -m testbed exec login -- scancel JOB` ends a job.\n{words}"
    )


def caller_environment() -> Mapping[str, str]:
    """Return the caller's environment, its virtual environment first, no other Slurm's traces."""
    environment = clean_environment()
    if sys.prefix != sys.base_prefix:
        programs = str(Path(sys.executable).parent)
        environment["PATH"] = f"{programs}:{environment.get('PATH', os.defpath)}"
    return environment
