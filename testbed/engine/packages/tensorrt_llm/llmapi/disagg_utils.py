"""Ids for requests that travel between engines."""

from __future__ import annotations

import itertools
import time

_COUNTER = itertools.count()
_NODE_BITS, _PROCESS_BITS, _COUNTER_BITS = 8, 6, 10


def get_global_disagg_request_id(node_id: int, process_id: int) -> int:
    """Return an id unique among all engines.

    Milliseconds, node, process, counter. Raise ValueError when out of range.
    """
    if not 0 <= node_id < 1 << _NODE_BITS or not 0 <= process_id < 1 << _PROCESS_BITS:
        raise ValueError(f"node_id {node_id} or process_id {process_id} out of range")
    value = int(time.time() * 1000) & ((1 << 39) - 1)
    value = value << _NODE_BITS | node_id
    value = value << _PROCESS_BITS | process_id
    return value << _COUNTER_BITS | next(_COUNTER) % (1 << _COUNTER_BITS)
