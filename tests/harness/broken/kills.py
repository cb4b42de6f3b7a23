"""What the tests of a killed pytest share: who owns a run, and what of it is still on the nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.guard.owner import read_owner
from harness.nodes.inspection import probe_text
from harness.nodes.lines import read_output
from tests.harness.broken.world import RUN_S, SuiteRun, World

NODES = ("node1", "node2", "node3", "node4")
MARGIN_S = 5.0
"""Seconds beyond the budget of a stop within which nothing may be left."""


@dataclass(frozen=True)
class Owned:
    """A run that was started, by its ids: its pytest has ``pid`` on ``node``."""

    run_id: str
    job: str
    node: str
    pid: str
    directory: Path

    def signal(self, world: World, name: str) -> None:
        """Send a signal to pytest itself."""
        world.on_node(self.node, "kill", f"-{name}", self.pid)

    def kill_with_sruns(self, world: World) -> None:
        """Kill every srun of the run, its watcher before it, and pytest; none can tell Slurm."""
        rows = world.on_node(self.node, "ps", "-eo", "pid=,args=").splitlines()
        own = f"--job-name=qualify-{self.run_id}-"
        sruns = [row.split()[0] for row in rows if own in row]
        # A probe's may have ended meanwhile, for which kill has an exit code.
        world.try_on_node(self.node, "kill", "-KILL", *reversed(sruns), self.pid)

    def left(self, world: World) -> list[str]:
        """Return what of the run is on the nodes, in words: steps, processes, files, GPU memory."""
        status = json.loads(world.status())
        found = [
            f"step {step['step_id']} {step['name']}"
            for step in status["steps"]
            if step["name"].startswith(f"qualify-{self.run_id}-")
        ]
        for node in status["nodes"]:
            used = sum(gpu["memory_used_mib"] for gpu in node["gpus"])
            found += [f"{node['name']}: {used} MiB of GPU memory"] if used else []
        return found + self.left_on_nodes(world)

    def left_on_nodes(self, world: World) -> list[str]:
        """Return what can be told without Slurm: processes and files."""
        found = []
        for node in NODES:
            mark = f"QUALIFY_RUN={self.run_id}"
            output = world.on_node(node, "python3", "-I", "-S", "-c", probe_text(), "--mark", mark)
            [document] = read_output(output).documents
            found += [f"{node}: {each['pid']} {each['cmdline']}" for each in document["processes"]]
            names = [each["name"] for each in document["shm"]]
            found += [f"{node}: {name}" for name in names if name.startswith("moe_shared")]
        return found

    def wait_clean(self, world: World, budget_s: float, *, without_slurm: bool = False) -> float:
        """Wait until nothing is left; return the seconds that it took."""
        look = self.left_on_nodes if without_slurm else self.left
        deadline = Deadline.after(budget_s + MARGIN_S)
        last: list[str] = []

        def clean() -> bool:
            last[:] = look(world)
            return not last

        assert wait_until(clean, deadline), f"left after {deadline.elapsed_s:.0f} s: {last}"
        return deadline.elapsed_s


def owned(run: SuiteRun) -> Owned:
    """Wait for the run's guard to be posted and return who owns the run."""
    owner = run.run_dir / "owner"
    assert wait_until(owner.exists, Deadline.after(RUN_S)), f"no {owner}"
    return owner_of(run.run_dir)


def owner_of(run_dir: Path) -> Owned:
    """Return who owns the run of a directory, which says so."""
    run_id, identity = read_owner(run_dir)
    node, pid, _ = identity.split(":")
    return Owned(run_id, run_id.split("-")[1], node, pid, run_dir)


@contextmanager
def stranger_on(world: World, node: str) -> Iterator[None]:
    """Have somebody else's process and file on a node, which must both outlive what happens.

    The file would be found before the start of a run, which would be refused for it.
    """
    file = "/dev/shm/moe_stranger"
    waits = ("python3", "-I", "-c", "import signal; signal.pause()", "qualify-stranger")
    world.on_node(node, "touch", file)
    process = world.start_on_node(node, *waits)
    try:
        yield
        assert process.poll() is None, "the stranger's process is gone"
        assert world.on_node(node, "ls", file).strip() == file
    finally:
        process.terminate()
        process.wait(10)
        world.on_node(node, "rm", "-f", file)
