"""Pure: in words, which driver's CUDA, Pyxis and enroot the nodes have, to compare two runs by."""

from __future__ import annotations

from collections.abc import Callable

from harness.nodes.condition import PyxisFile
from harness.nodes.snapshot import NodeSnapshot, Snapshot
from harness.slurm.nodelist import fold

DIGEST_CHARACTERS = 16
"""Of a SHA-256, as in all facts."""


def software_facts(snapshot: Snapshot | None) -> dict[str, str]:
    """Return each fact as all nodes have it, or by node where they differ; empty: not looked at.

    ``snapshot`` is one that was taken with the condition of the nodes.
    """
    return {
        "cuda_of_driver": _over_nodes(snapshot, lambda node: _said(node, "cuda_of_driver")),
        "pyxis": _over_nodes(snapshot, _pyxis),
        "enroot": _over_nodes(snapshot, lambda node: _said(node, "enroot")),
    }


def _over_nodes(snapshot: Snapshot | None, say: Callable[[NodeSnapshot], str]) -> str:
    told: dict[str, list[str]] = {}
    for name, node in (snapshot.nodes if snapshot else {}).items():
        told.setdefault(say(node), []).append(name)
    if len(told) <= 1:
        return next(iter(told), "")
    return "; ".join(f"{words} on {fold(names)}" for words, names in told.items())


def _said(node: NodeSnapshot, what: str) -> str:
    value = getattr(node, what)
    return f"unknown: {node.why_unreadable(what)}" if value is None else str(value)


def _pyxis(node: NodeSnapshot) -> str:
    if node.pyxis is None:
        return _said(node, "pyxis")
    return " and ".join(map(_file_words, node.pyxis)) or "none: no plugin of that name is loaded"


def _file_words(file: PyxisFile) -> str:
    version = file.version or "unknown: its file tells none (Pyxis does so from 0.17 on)"
    return (
        f"{version}, {file.path}, {file.size_bytes} bytes, sha256:{file.sha256[:DIGEST_CHARACTERS]}"
    )
