"""Pure: a deployment of somebody's that still runs on our nodes, from a probe and Slurm's list.

An operator reuses an allocation for days: a worker of yesterday that nobody stopped holds ports and
GPUs, or answers in place of ours. A user's own monitoring beside us is none of our business.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from harness.nodes.occupied import require_readable
from harness.nodes.snapshot import JobProcess, Snapshot
from harness.slurm.nodelist import fold
from harness.slurm.words import StepRow

PROGRAMS = {
    "trtllm-llmapi-launch": "the launcher that every rank of a worker starts with",
    "etcd": "discovery: another one under our address would be asked in place of ours",
    "nats-server": "messages between frontend and workers: likewise",
}
"""Programs that belong to a deployment, by name, each with what it is there."""

MODULES = {
    "tensorrt_llm.llmapi.mgmn_": "a rank: it holds a GPU (mgmn_leader_node, mgmn_worker_node)",
    "dynamo.": "Dynamo's own: dynamo.frontend, dynamo.trtllm, dynamo.mocker",
}
"""Starts of the names of Python modules, run with ``-m``, that belong to a deployment."""

_PYTHON = re.compile(r"python[\d.]*")
_SHELL = re.compile(r"(?:ba|da|k|z)?sh")
_WITH_VALUE = {"-X", "-W", "-o", "--rcfile", "--init-file"}
"""Options of Python and of shells whose value is a word of its own."""
_MODULE = re.compile(r"-[bBdEiIOPqsSuvx]*m(?P<attached>.*)")
_COMMAND = re.compile(r"-[a-zA-Z]*c")
"""What follows is code; the programs it starts have command lines of their own."""

_Located = tuple[str, JobProcess]
"""A process and its node."""


@dataclass(frozen=True)
class Previous:
    """A deployment of before; ``str()`` is one sentence and the way out.

    ``step_id`` is Slurm's (``453374.18``) if Slurm lists the step; if not, the name that the
    processes have of it (``18``, ``extern``), which may be empty, and ``step_name`` and ``since``
    are empty. ``since`` is as Slurm gives it. ``processes`` counts those on the probed ``nodes``;
    ``pids`` has them by node if they are to be ended one by one, and is empty where ending the step
    ends them and nothing else.
    """

    step_id: str
    step_name: str
    user: str
    since: str
    nodes: tuple[str, ...]
    processes: int
    example: str
    pids: Mapping[str, tuple[int, ...]]

    @property
    def way_out(self) -> str:
        """What a person can do about it."""
        if not self.pids:
            return f"end it: `scancel {self.step_id}`"
        kill = [
            f"`srun --overlap -N1 -n1 -w {node} kill {' '.join(map(str, pids))}`"
            for node, pids in self.pids.items()
        ]
        return f"end them: {', '.join(kill)}"

    def __str__(self) -> str:
        count = "1 process" if self.processes == 1 else f"{self.processes} processes"
        if self.step_name:
            since = f", since {self.since}" if self.since else ""
            where = f"step {self.step_id} ({self.step_name}) of {self.user}{since}"
        elif self.step_id:
            where = f"step {self.step_id} of {self.user}, which Slurm does not list any more"
        else:
            where = f"no known step, of {self.user}"
        return (
            f"a previous deployment still runs on {fold(self.nodes)}: {count} of {where}, "
            f"among them {self.example}; {self.way_out}"
        )


def find_previous(
    snapshot: Snapshot, rows: Sequence[StepRow], *, own_prefix: str, own_step: str = ""
) -> list[Previous]:
    """Return the deployments of before on the nodes of ``snapshot``, one for each step.

    ``rows`` are the job's steps as Slurm lists them. Steps whose names begin with ``own_prefix``
    are ours. ``own_step`` is the number of the step in which this process itself runs, if any: to
    cancel that one would end us. Raises :class:`~harness.nodes.occupied.NodeUnreadable` if the
    processes of a node could not be read.
    """
    require_readable(snapshot, "processes")
    listed = {row.number: row for row in rows}
    steps: dict[str, list[_Located]] = defaultdict(list)
    for name, node in snapshot.nodes.items():
        for process in node.processes or ():
            # The mark is our own run's: such a process is residue of ours, not of a predecessor.
            if process.found_by != "mark":
                steps[process.step or ""].append((name, process))
    found = []
    for number, members in steps.items():
        row = listed.get(number)
        if row is None or not row.name.startswith(own_prefix):
            # batch, interactive and extern are a user's shells: they are not for us to end.
            whole = row is not None and number.isdigit() and number != own_step
            theirs = _of_a_deployment(members, whole=whole)
            found += [_previous(number, row, theirs, whole=whole)] if theirs else []
    return found


def is_deployments(cmdline: str) -> bool:
    """Return whether a command line is that of a part of a deployment.

    Only the program counts: the first word, or the script or module that an interpreter there was
    given. ``vim etcd.md`` is no etcd.
    """
    words = cmdline.split()
    if not words:
        return False
    program = PurePath(words[0]).name
    if program in PROGRAMS:
        return True
    if not (_PYTHON.fullmatch(program) or _SHELL.fullmatch(program)):
        return False
    script, module = _interpreted(words[1:])
    return PurePath(script).name in PROGRAMS or module.startswith(tuple(MODULES))


def _interpreted(words: Iterable[str]) -> tuple[str, str]:
    """Return the script and the module that an interpreter was given, or an empty text for each."""
    rest = iter(words)
    for word in rest:
        module = _MODULE.fullmatch(word)
        if module:
            return "", module["attached"] or next(rest, "")
        if _COMMAND.fullmatch(word):
            break
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word, ""
    return "", ""


def _of_a_deployment(members: Sequence[_Located], *, whole: bool) -> list[_Located]:
    """Return those of a step's processes that belong to a deployment, what tells it first.

    All of them if the step was started for it (``whole``). If not, what the deployment's processes
    have started: a user's shell has other children too.
    """
    telling = [each for each in members if is_deployments(each[1].cmdline)]
    belonging = {(node, process.pid) for node, process in telling}
    others = [each for each in members if each not in telling]
    grown = bool(telling)
    while grown:
        grown = False
        for node, process in others:
            key = (node, process.pid)
            if key not in belonging and (whole or (node, process.ppid) in belonging):
                belonging.add(key)
                grown = True
    return [*telling, *(each for each in others if (each[0], each[1].pid) in belonging)]


def _previous(
    number: str, row: StepRow | None, members: Sequence[_Located], *, whole: bool
) -> Previous:
    node, process = members[0]
    pids: dict[str, list[int]] = defaultdict(list)
    for where, each in members:
        pids[where].append(each.pid)
    return Previous(
        step_id=row.step_id if row else number,
        step_name=row.name if row else "",
        user=row.user if row and row.user else f"uid {process.uid}",
        since=row.started if row else "",
        nodes=tuple(pids),
        processes=len(members),
        example=f"pid {process.pid} on {node} (`{process.cmdline}`)",
        pids={} if whole else {where: tuple(sorted(each)) for where, each in pids.items()},
    )
