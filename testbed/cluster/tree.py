"""What of a testbed is alive, told from its record and the machine's process tree alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from testbed.cluster import procs
from testbed.cluster.node import COMM_PREFIX
from testbed.cluster.paths import StateFolder
from testbed.cluster.procs import Process
from testbed.cluster.shape import Shape

DAEMONS = ("slurmctld", "slurmd")


@dataclass(frozen=True)
class Record:
    """What `up` wrote down when it started the anchor; `since` is in seconds since the epoch."""

    boot_id: str
    anchor_pid: int
    anchor_start: int
    since: float
    shape: Shape
    image: str | None


@dataclass(frozen=True)
class NodeTree:
    """One node's live processes: its init and its daemons by name."""

    name: str
    init: Process
    daemons: dict[str, Process]


@dataclass(frozen=True)
class Tree:
    """A living anchor with its children; `problems` says in words what is missing."""

    record: Record
    anchor: Process
    munged: Process | None
    nodes: dict[str, NodeTree]

    def problems(self) -> list[str]:
        """Tell what should run and does not; empty when the whole testbed is alive."""
        found = [] if self.munged else ["munged is dead"]
        for name in self.record.shape.names:
            node = self.nodes.get(name)
            wanted = ["slurmctld", "slurmd"] if name == "node1" else ["slurmd"]
            if node is None:
                found.append(f"{name} is dead")
            else:
                found += [
                    f"{daemon} of {name} is dead" for daemon in wanted if daemon not in node.daemons
                ]
        return found


def read_record(state: StateFolder) -> Record | None:
    """Return the record of the state folder, or None when there is none that can be read."""
    try:
        facts = json.loads(state.record.read_text())
        return Record(
            boot_id=facts["boot_id"],
            anchor_pid=facts["anchor"]["pid"],
            anchor_start=facts["anchor"]["start"],
            since=facts["since"],
            shape=Shape(**facts["shape"]),
            image=facts["image"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(state: StateFolder, record: Record) -> None:
    """Write the record atomically."""
    facts = {
        "boot_id": record.boot_id,
        "anchor": {"pid": record.anchor_pid, "start": record.anchor_start},
        "since": record.since,
        "shape": record.shape.as_dict(),
        "image": record.image,
    }
    new = state.record.with_suffix(".new")
    new.write_text(json.dumps(facts, indent=2) + "\n")
    new.replace(state.record)


def anchor_is_alive(record: Record) -> bool:
    """Whether the very anchor of the record runs: same boot, same pid, same start time."""
    if record.boot_id != procs.boot_id():
        return False
    return procs.is_alive(record.anchor_pid, record.anchor_start)


def read_tree(state: StateFolder) -> Tree | None:
    """Return the live testbed of this state folder; None when its anchor is not alive."""
    record = read_record(state)
    if record is None or not anchor_is_alive(record):
        return None
    everyone = procs.all_processes()
    children = _by_parent(everyone)
    anchor = next((p for p in everyone if p.pid == record.anchor_pid), None)
    if anchor is None:
        return None
    mine = children.get(anchor.pid, [])
    nodes = {}
    for init in mine:
        name = init.name.removeprefix(COMM_PREFIX)
        if name in record.shape.names:
            daemons = {p.name: p for p in children.get(init.pid, []) if p.name in DAEMONS}
            nodes[name] = NodeTree(name=name, init=init, daemons=daemons)
    munged = next((p for p in mine if p.name == "munged"), None)
    return Tree(record=record, anchor=anchor, munged=munged, nodes=nodes)


def _by_parent(everyone: Iterable[Process]) -> dict[int, list[Process]]:
    children: dict[int, list[Process]] = {}
    for process in everyone:
        children.setdefault(process.parent, []).append(process)
    return children
