"""Node lists: ``node[1-4]`` and back, by ClusterShell's NodeSet without its node groups."""

from __future__ import annotations

from collections.abc import Iterable

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

from harness.errors import SlurmError


def expand(text: str) -> tuple[str, ...]:
    """Return the nodes of a Slurm node list, none twice; raise :class:`SlurmError` if it is none.

    They come by name and number, as Slurm orders nodes and numbers ranks, whatever the text does.
    """
    try:
        return tuple(str(node) for node in NodeSet(text, resolver=RESOLVER_NOGROUP))
    except NodeSetException as broken:
        raise SlurmError(f"cannot read the node list {text!r}: {broken}") from None


def fold(nodes: Iterable[str]) -> str:
    """Return a node list in Slurm's short form, ``node[1-4]``."""
    return str(NodeSet.fromlist(list(nodes), resolver=RESOLVER_NOGROUP))
