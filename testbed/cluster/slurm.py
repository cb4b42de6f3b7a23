"""What Slurm says about nodes, jobs and steps, asked on the login host."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from testbed.cluster.hosts import run_on

QUERY_DEADLINE_S = 10.0
HEALTHY_STATES = frozenset({"idle", "mixed", "allocated", "completing", "reserved", "planned"})


@dataclass(frozen=True)
class Job:
    """One job of the queue, as `squeue` shows it."""

    job_id: str
    name: str
    state: str
    nodes: str
    reason: str


@dataclass(frozen=True)
class Step:
    """One step of a running job, as `squeue --steps` shows it."""

    step_id: str
    name: str
    nodes: str


def _query(login_pid: int, command: list[str]) -> list[list[str]]:
    """Return the fields of each line of a query; no line when Slurm does not answer."""
    try:
        done = run_on(login_pid, command, timeout_s=QUERY_DEADLINE_S)
    except subprocess.TimeoutExpired:
        return []
    return [line.split("|") for line in done.stdout.splitlines()] if done.returncode == 0 else []


def node_states(login_pid: int) -> dict[str, str]:
    """Each node's state in sinfo's long words; empty when slurmctld does not answer."""
    rows = _query(login_pid, ["sinfo", "--noheader", "--Node", "--format=%N|%T"])
    return {row[0]: row[1] for row in rows if len(row) == 2}


def node_problems(login_pid: int) -> list[str]:
    """Tell what is wrong with the nodes by Slurm's own word."""
    states = node_states(login_pid)
    if not states:
        return ["slurmctld does not answer"]
    return [f"{name} is {state}" for name, state in states.items() if state not in HEALTHY_STATES]


def jobs(login_pid: int) -> list[Job]:
    """All jobs that wait, run or are ending."""
    rows = _query(login_pid, ["squeue", "--noheader", "--format=%i|%j|%T|%N|%r"])
    return [Job(*row) for row in rows if len(row) == 5]


def steps(login_pid: int) -> list[Step]:
    """All steps that run."""
    rows = _query(login_pid, ["squeue", "--noheader", "--steps", "--format=%i|%j|%N"])
    return [Step(*row) for row in rows if len(row) == 3]
