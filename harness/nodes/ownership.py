"""Pure: what on a node is the run's own, and what a stranger's.

Known from probes taken while the workers lived: a process that was the job's stays the job's when
its parent has died and nothing else tells; a file that the job's processes held stays the run's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.nodes.snapshot import JobProcess, Listener, NodeSnapshot, ShmEntry, Snapshot


@dataclass(frozen=True)
class Ownership:
    """The run's own on one node: processes with their steps, and files by name and inode."""

    node: NodeSnapshot
    steps: Mapping[tuple[int, int], str | None]
    files: frozenset[tuple[str, int]]
    own_shm_prefixes: tuple[str, ...]

    def step_of(self, process: JobProcess) -> str | None:
        """Return the step of a process, also if only an earlier probe could tell."""
        return process.step or self.steps.get(process.identity)

    def has_pid(self, pid: int | None) -> bool:
        """Return whether a pid is, or was while the workers lived, one of the job's."""
        return any(pid == ours for ours, _ in self.steps)

    def has_file(self, entry: ShmEntry) -> bool:
        """Return whether a file is the run's.

        By its name, by who held it while the workers lived, by who holds it now; a file that nobody
        holds is a stranger's only if it is another user's.
        """
        if entry.identity in self.files or entry.name.startswith(self.own_shm_prefixes):
            return True
        return self._holds(entry.pids) if entry.pids else entry.uid == self.node.uid

    def has_listener(self, listener: Listener) -> bool:
        """Return whether a socket is the run's: by its owner, or by its user if that is unseen."""
        return self._holds(listener.pids) if listener.pids else listener.uid == self.node.uid

    def _holds(self, pids: Iterable[int]) -> bool:
        holders = [self.node.holder(pid) for pid in pids]
        return any(holder and holder.identity in self.steps for holder in holders)


def ownership(
    node: NodeSnapshot, seen_while_running: Sequence[Snapshot], own_shm_prefixes: Sequence[str]
) -> Ownership:
    """Return what is the run's on a node, from its last snapshot and earlier ones."""
    earlier = [seen.nodes[node.node] for seen in seen_while_running if node.node in seen.nodes]
    steps: dict[tuple[int, int], str | None] = {}
    files: set[tuple[str, int]] = set()
    for moment in [*earlier, node]:
        for process in moment.processes or ():
            steps[process.identity] = process.step or steps.get(process.identity)
        for entry in moment.shm or ():
            holders = [moment.holder(pid) for pid in entry.pids or ()]
            if any(holder and holder.identity in steps for holder in holders):
                files.add(entry.identity)
    return Ownership(node, steps, frozenset(files), tuple(own_shm_prefixes))
