"""slurmctld, stopped and started again as an operator does it: jobs and steps go on meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess

from testbed.cluster import procs
from testbed.cluster.errors import TestbedError
from testbed.cluster.hosts import run_on
from testbed.cluster.node import DAEMON_ENVIRONMENT
from testbed.cluster.slurm import node_states
from testbed.cluster.tree import NodeTree, Tree

NAME = "slurmctld"
DEADLINE_S = 20.0


def stop_controller(tree: Tree) -> None:
    """End slurmctld, which saves its state; does nothing when it does not run.

    Raises TestbedError when it has not ended in time.
    """
    running = _host(tree).daemons.get(NAME)
    if running is None:
        return
    os.kill(running.pid, signal.SIGTERM)
    if not procs.wait_for(
        lambda: not procs.is_alive(running.pid, running.start), timeout_s=DEADLINE_S
    ):
        raise TestbedError(
            f"testbed: slurmctld ({running.pid}) runs {DEADLINE_S:.0f} s after SIGTERM"
        )


def start_controller(tree: Tree) -> None:
    """Start slurmctld with the state it has saved, and wait until it knows its nodes, some 5 s.

    Does nothing when it runs. Raises TestbedError when it does not start or does not answer.
    """
    host = _host(tree)
    if NAME in host.daemons:
        return
    variables = [f"{name}={value}" for name, value in DAEMON_ENVIRONMENT.items()]
    # Without -D it detaches itself, and so becomes the node's; without -c it takes up its jobs.
    try:
        done = run_on(host.init.pid, ["env", "--ignore-environment", *variables, NAME])
    except subprocess.TimeoutExpired as slow:
        raise TestbedError(f"testbed: slurmctld does not start: {slow}") from slow
    if done.returncode != 0:
        raise TestbedError(f"testbed: slurmctld does not start: {done.stderr.strip()}")
    if not procs.wait_for(lambda: _knows_nodes(tree), timeout_s=DEADLINE_S):
        raise TestbedError(
            f"testbed: slurmctld does not know its nodes {DEADLINE_S:.0f} s after its start"
        )


def _knows_nodes(tree: Tree) -> bool:
    """Tell whether it answers and has heard of every node: it asks them 5 s after its start."""
    states = node_states(tree.anchor.pid)
    return bool(states) and "unknown" not in states.values()


def _host(tree: Tree) -> NodeTree:
    name = tree.record.shape.names[0]
    if name not in tree.nodes:
        raise TestbedError(f"testbed: {name}, where slurmctld runs, is dead")
    return tree.nodes[name]
