"""The shared memory files of TensorRT-LLM's expert load balancer, by name.

With online balancing every rank makes ``<prefix>_l<layer>_lr<local rank>_all`` in /dev/shm; the
prefix is TRTLLM_EPLB_SHM_NAME, by default ``moe_shared``. Only an orderly shutdown removes them.
Source: TensorRT-LLM's moe_load_balancer.py and its wide_ep README.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.nodes.snapshot import NodeSnapshot, ShmEntry, Snapshot

DEFAULT_PREFIXES = ("moe_",)
"""What operators are told to look for: ``/dev/shm/moe_*``."""

_PATTERN = re.compile(r".+_l\d+_lr\d+_all")


def is_eplb_file(name: str, prefixes: Sequence[str] = DEFAULT_PREFIXES) -> bool:
    """Return whether a name in /dev/shm is one of the balancer's, under whatever prefix."""
    return name.startswith(tuple(prefixes)) or _PATTERN.fullmatch(name) is not None


def eplb_entries(
    node: NodeSnapshot, prefixes: Sequence[str] = DEFAULT_PREFIXES
) -> tuple[ShmEntry, ...]:
    """Return the balancer's files on a node; none if /dev/shm could not be read."""
    return tuple(entry for entry in node.shm or () if is_eplb_file(entry.name, prefixes))


def eplb_files(snapshot: Snapshot, prefixes: Sequence[str] = DEFAULT_PREFIXES) -> dict[str, int]:
    """Return the number of the balancer's files on each node."""
    return {name: len(eplb_entries(node, prefixes)) for name, node in snapshot.nodes.items()}
