"""The running testbed as one who breaks it sees it: hosts, processes, the shared file system."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster import procs
from testbed.cluster.controller import start_controller
from testbed.cluster.errors import TestbedError
from testbed.cluster.hosts import run_on
from testbed.cluster.paths import StateFolder
from testbed.cluster.run import require_up
from testbed.cluster.shape import LOGIN_NAME
from testbed.cluster.tree import Tree


@dataclass(frozen=True)
class Undo:
    """A command on a host that takes something away again."""

    host: str
    command: tuple[str, ...]

    @property
    def outlives(self) -> bool:
        """Whether what it takes away outlives a testbed: a file of the shared folder.

        All else (processes, mounts, addresses) ends with the testbed in which it was provoked.
        """
        below = any(word.startswith("/srv/") for word in self.command)
        return below and self.command[0] in {"rm", "mv"}


START_CONTROLLER = Undo("", ("slurmctld", "start"))
"""The testbed's own verb, on no host of it."""


@dataclass(frozen=True)
class Found:
    """A process on a node: ``pid`` as this machine numbers it, ``inner_pid`` as the node does."""

    node: str
    pid: int
    inner_pid: int
    rank: int | None
    command: str


class Bed:
    """A testbed that is up."""

    def __init__(self, state: StateFolder, tree: Tree) -> None:
        self.state = state
        self._tree = tree
        self.identity = f"{tree.record.anchor_pid}:{tree.record.anchor_start}"
        """Which testbed it is: of this state folder there is another one after each ``up``."""

    @property
    def tree(self) -> Tree:
        """Its processes, as they were when it was looked at."""
        return self._tree

    def look_again(self) -> Tree:
        """Return its processes of now."""
        self._tree = require_up(self.state)
        return self._tree

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes, in their order."""
        return self._tree.record.shape.names

    @property
    def shared(self) -> Path:
        """What hosts see as /srv."""
        return self.state.shared

    def address(self, node: str) -> str:
        """Return a node's address."""
        return self._tree.record.shape.address(node)

    def on(self, host: str, *command: str) -> str:
        """Run a command on a host; return its output. Raises TestbedError when it fails."""
        done = run_on(self._pid(host), command)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise TestbedError(f"testbed: {' '.join(command)} failed on {host}: {said}")
        return done.stdout

    def undo(self, undo: Undo) -> str:
        """Take something away again; return the words of a failure, or nothing."""
        try:
            if undo == START_CONTROLLER:
                start_controller(self.look_again())
            else:
                self.on(undo.host, *undo.command)
        except (TestbedError, OSError) as error:
            return str(error)
        return ""

    def processes(self, words: str, *, node: str = "", rank: int | None = None) -> list[Found]:
        """Return processes whose command line holds the words: of a node, of a rank, or all."""
        spaces = {
            procs.namespace_of(each.init.pid, "pid"): name
            for name, each in self._tree.nodes.items()
            if node in {"", name}
        }
        found = []
        for process in procs.all_processes():
            command = _read(process.pid, "cmdline").replace("\0", " ").strip()
            home = spaces.get(procs.namespace_of(process.pid, "pid")) if words in command else None
            its_rank = _rank(process.pid) if home else None
            if home and rank in {None, its_rank}:
                found.append(Found(home, process.pid, process.inner_pid, its_rank, command))
        return found

    def one(self, words: str, *, node: str = "", rank: int | None = None) -> Found:
        """Return the first of such processes that is no script around one; raises TestbedError."""
        found = [
            each
            for each in self.processes(words, node=node, rank=rank)
            if each.command.startswith(("python3 -m", words))
        ]
        if not found:
            which = f" of rank {rank}" if rank is not None else ""
            raise TestbedError(f"testbed: no process {words!r}{which} runs on {node or 'any node'}")
        return found[0]

    def signal(self, found: Found, number: signal.Signals) -> list[Undo]:
        """Send a signal; SIGSTOP is taken away by SIGCONT, if the process is still there then."""
        os.kill(found.pid, number)
        if number is not signal.SIGSTOP:
            return []
        wake = f"kill -CONT {found.inner_pid} 2>/dev/null || true"
        return [Undo(found.node, ("sh", "-c", wake))]

    def start(self, host: str, command: Sequence[str], *, ready: str) -> list[Undo]:
        """Start a process on a host; return when the command ``ready`` succeeds, 10 s at most.

        It is killed to take it away.
        """
        quoted = 'nohup "$@" </dev/null >/dev/null 2>&1 & echo $!'
        pid = self.on(host, "sh", "-c", quoted, "sh", *command).strip()
        wait = f"for _ in $(seq 100); do {ready} && exit 0; sleep 0.1; done; exit 1"
        undo = [Undo(host, ("sh", "-c", f"kill -KILL {pid} 2>/dev/null || true"))]
        try:
            self.on(host, "sh", "-c", wait)
        except TestbedError:
            self.undo(undo[0])
            raise
        return undo

    def _pid(self, host: str) -> int:
        if host == LOGIN_NAME:
            return self._tree.anchor.pid
        if host not in self._tree.nodes:
            raise TestbedError(f"testbed: no node {host}; there are {', '.join(self.nodes)}")
        return self._tree.nodes[host].init.pid


def _rank(pid: int) -> int | None:
    """Return the rank that Slurm gave a process, None for one without."""
    for entry in _read(pid, "environ").split("\0"):
        if entry.startswith("SLURM_PROCID="):
            return int(entry.partition("=")[2])
    return None


def _read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
    except OSError:
        return ""  # it ended while we looked
