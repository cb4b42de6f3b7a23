"""Events of the KV cache: which blocks of prompts it has got."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MOST_KNOWN_BLOCKS = 200_000


class KvCacheEvents:
    """Events of the KV cache.

    Created once, then one per prompt's new blocks. Empty unless asked for.
    """

    def __init__(self, cache: Any, capacity_tokens: int) -> None:
        self._enabled = cache.event_buffer_max_size > 0
        self._limit = cache.event_buffer_max_size
        self._block = cache.tokens_per_block
        self._known: dict[int, None] = {}
        self._events: list[dict[str, Any]] = []
        self._next = 0
        self._add(
            {"type": "created", "num_blocks_per_cache_level": [capacity_tokens // self._block, 0]}
        )

    def stored(self, tokens: Sequence[int]) -> None:
        """Note the whole blocks of a prompt that are new."""
        if not self._enabled:
            return
        parent: int | None = None
        new: list[dict[str, Any]] = []
        first_parent: int | None = None
        for start in range(0, len(tokens) - self._block + 1, self._block):
            part = tuple(tokens[start : start + self._block])
            name = hash((parent, part)) & ((1 << 63) - 1)
            if name not in self._known:
                first_parent = first_parent if new else parent
                new.append(self._block_entry(name, part))
                self._remember(name)
            parent = name
        if new:
            self._add({"type": "stored", "parent_hash": first_parent, "blocks": new})

    def drain(self) -> list[dict[str, Any]]:
        """Return and forget the events so far."""
        events, self._events = self._events, []
        return events

    def _remember(self, name: int) -> None:
        self._known[name] = None
        if len(self._known) > _MOST_KNOWN_BLOCKS:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._add({"type": "removed", "block_hashes": [oldest]})

    def _add(self, data: dict[str, Any]) -> None:
        if self._enabled:
            self._events.append({"event_id": self._next, "data": data})
            self._next += 1
            del self._events[: -self._limit]

    @staticmethod
    def _block_entry(name: int, tokens: tuple[int, ...]) -> dict[str, Any]:
        return {
            "type": "stored_block",
            "block_hash": name,
            "tokens": [
                {"type": "unique_token", "token_id": token, "token_extra_id": 0} for token in tokens
            ],
            "cache_level": 0,
            "priority": 35,
        }
