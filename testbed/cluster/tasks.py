"""The tasks of steps as the machine sees them, found through Slurm's step daemons on the nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.procs import Process, all_processes, namespace_of
from testbed.cluster.tree import Tree

STEP_DAEMON = "slurmstepd"
_STEP_TITLE = re.compile(r"slurmstepd: \[(\S+)\]")


@dataclass(frozen=True)
class Task:
    """One task of a step: `pid` as this machine numbers it, `inner_pid` as its node does."""

    step_id: str
    node: str
    rank: int
    pid: int
    inner_pid: int
    command: str


def tasks_of(tree: Tree) -> list[Task]:
    """Every task that runs in the testbed, by step and rank."""
    nodes = {namespace_of(node.init.pid, "pid"): name for name, node in tree.nodes.items()}
    everyone = all_processes()
    daemons = {p.pid: p for p in everyone if p.name.startswith(STEP_DAEMON)}
    steps = {pid: _step_id(pid) for pid in daemons}
    found = []
    for process in everyone:
        step_id = steps.get(process.parent)
        node = nodes.get(namespace_of(process.pid, "pid")) if step_id else None
        if step_id and node:
            found += _task(process, step_id=step_id, node=node)
    return sorted(found, key=lambda task: (task.step_id, task.rank))


def _step_id(pid: int) -> str | None:
    match = _STEP_TITLE.match(_read(pid, "cmdline").replace("\0", " "))
    return match.group(1) if match else None


def _task(process: Process, *, step_id: str, node: str) -> list[Task]:
    """Return the task this process is; none when it is another child of the step's daemon."""
    rank = _variable(_read(process.pid, "environ").split("\0"), "SLURM_PROCID")
    if rank is None:
        return []
    command = _read(process.pid, "cmdline").replace("\0", " ").strip()
    return [
        Task(
            step_id=step_id,
            node=node,
            rank=int(rank),
            pid=process.pid,
            inner_pid=process.inner_pid,
            command=command,
        )
    ]


def _variable(environment: Iterable[str], name: str) -> str | None:
    prefix = f"{name}="
    return next((x.removeprefix(prefix) for x in environment if x.startswith(prefix)), None)


def _read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
    except OSError:
        return ""  # It ended while we looked.
