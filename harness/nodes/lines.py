"""Pure: from what the probe's step printed to one JSON document a node.

``srun --label`` puts ``3: `` before a line, and the probe sends a long document in parts; both are
undone here.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

_LABEL = re.compile(r"^\s*\d+: ?")
_NODE = re.compile(r'"node": ?"([^"]+)"')


@dataclass(frozen=True)
class ProbeOutput:
    """The documents in the order of their lines, and one sentence for each that is broken."""

    documents: tuple[dict[str, Any], ...]
    broken: tuple[str, ...]


def read_output(text: str) -> ProbeOutput:
    """Read the standard output of the probe's step; a line that opens no JSON object is chatter."""
    whole: list[dict[str, Any]] = []
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    broken: list[str] = []
    for line in (_LABEL.sub("", raw) for raw in text.splitlines()):
        if not line.startswith("{"):
            continue
        document = _parse(line)
        if document is None:
            broken.append(f"{_node_of(line)} sent a broken line: {line[:80]}")
        elif "parts" in document:
            parts[str(document["node"])].append(document)
        else:
            whole.append(document)
    for node, pieces in parts.items():
        document = _join(pieces)
        if document is None:
            broken.append(
                f"{node} sent {len(pieces)} of {pieces[0]['parts']} parts, or broken ones"
            )
        else:
            whole.append(document)
    return ProbeOutput(tuple(whole), tuple(broken))


def _join(pieces: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Put the parts of one document together; ``None`` when one is missing or stands twice."""
    ordered = sorted(pieces, key=lambda piece: int(piece["part"]))
    if [piece["part"] for piece in ordered] != list(range(int(ordered[0]["parts"]))):
        return None
    return _parse("".join(str(piece["text"]) for piece in ordered))


def _parse(line: str) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "node" in document else None


def _node_of(line: str) -> str:
    found = _NODE.search(line)
    return found[1] if found else "a node"
