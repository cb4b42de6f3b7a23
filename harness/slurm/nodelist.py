"""Node lists: ``node[1-4]`` and back. ClusterShell's NodeSet does the work."""

from __future__ import annotations

from collections.abc import Iterable

from ClusterShell.NodeSet import NodeSet, NodeSetParseError

from harness.errors import SlurmError


def expand(text: str) -> tuple[str, ...]:
    """Return the nodes of a Slurm node list in their order; raise :class:`SlurmError` if it is not one."""
    try:
        return tuple(str(node) for node in NodeSet(text))
    except NodeSetParseError as broken:
        raise SlurmError(f"cannot read the node list {text!r}: {broken}") from None


def fold(nodes: Iterable[str]) -> str:
    """Return a node list in Slurm's short form, ``node[1-4]``."""
    return str(NodeSet.fromlist(list(nodes)))
