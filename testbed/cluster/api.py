"""The testbed as an object, for tests and scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.cluster.hosts import clean_environment, enter_command
from testbed.cluster.lifecycle import Log, down, up
from testbed.cluster.paths import PROJECT_ROOT, STATE_VARIABLE, StateFolder
from testbed.cluster.run import require_up
from testbed.cluster.shape import LOGIN_NAME, Shape
from testbed.cluster.status import status
from testbed.cluster.tree import Tree, anchor_is_alive, read_record

DEADLINE_S = 60.0


class Cluster:
    """One testbed, by its state folder.

    All methods raise TestbedError (or a kind of it) when the testbed is at fault, and
    subprocess.TimeoutExpired when a command does not end in time; the command is killed then.
    """

    def __init__(self, root: Path) -> None:
        self.state = StateFolder(root.absolute())

    def up(self, shape: Shape | None = None, *, image: bool = False, log: Log = print) -> None:
        """Bring it up; without `image` no container image is built or linked."""
        up(self.state, shape or Shape(), image=image, log=log)

    def down(self, *, log: Log = print) -> None:
        """Take it down, whatever its condition."""
        down(self.state, log=log)

    def tree(self) -> Tree:
        """Its live processes; raises NotUp."""
        return require_up(self.state)

    @property
    def is_up(self) -> bool:
        """Whether its anchor is alive."""
        record = read_record(self.state)
        return record is not None and anchor_is_alive(record)

    def status(self) -> dict[str, Any]:
        """Nodes, daemons, jobs, steps, tasks and GPUs at this moment."""
        return status(self.state)

    def host_pid(self, host: str) -> int:
        """Return the pid here of the init of a node (or of `login`); raises NotUp, KeyError."""
        tree = self.tree()
        return tree.anchor.pid if host == LOGIN_NAME else tree.nodes[host].init.pid

    def exec(
        self, host: str, command: Sequence[str], *, timeout_s: float = DEADLINE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host outside Slurm; its code is in the result, never raised."""
        return subprocess.run(
            enter_command(self.host_pid(host), command),
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run(
        self,
        command: Sequence[str],
        *,
        nodes: int = 1,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        timeout_s: float = DEADLINE_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in an allocation, as `run` does; its code is in the result."""
        return subprocess.run(
            self.run_command(command, nodes=nodes, options=options),
            env=self.environment(environment),
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run_command(
        self, command: Sequence[str], *, nodes: int = 1, options: Sequence[str] = ()
    ) -> list[str]:
        """Return the command line of `run`, to be started from the project's folder."""
        head = [sys.executable, "-m", "testbed", "run", f"--nodes={nodes}", *options]
        return [*head, "--", *command]

    def environment(self, outer: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment in which `python -m testbed` means this testbed."""
        return {**clean_environment(outer), STATE_VARIABLE: str(self.state.root)}
