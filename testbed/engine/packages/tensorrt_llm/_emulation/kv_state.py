"""Pure: what a prefill engine tells a decode engine about a prompt's KV cache, and its payload.

The payload stands for the keys and values of a prompt: its token ids, four bytes each. What
arrives decides what is answered.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

_MAGIC = b"EMU-KV1\n"
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Layout:
    """What both engines must have alike: how the cache is stored, and how it travels."""

    backend: str
    dtype: str
    tokens_per_block: int

    def mismatch(self, other: Layout) -> str | None:
        """Say what differs from another engine's layout; None when nothing does."""
        if self.tokens_per_block != other.tokens_per_block:
            return _differs("Page size mismatch: tokens_per_block", self, other, "tokens_per_block")
        if self.dtype != other.dtype:
            return _differs("KV cache dtype mismatch: kv_cache_config.dtype", self, other, "dtype")
        if self.backend != other.backend:
            return _differs("Transceiver mismatch: backend", self, other, "backend")
        return None


def _differs(what: str, here: Layout, there: Layout, name: str) -> str:
    return f"{what} is {getattr(here, name)} here and {getattr(there, name)} on the context side"


@dataclass(frozen=True)
class ContextState:
    """Where the KV cache of one prompt is: the content of ``opaque_state``.

    ``addresses`` are HOST:PORT of the ranks that hold it; ``key`` opens their ports.
    """

    layout: Layout
    tokens: int
    key: str
    addresses: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the bytes that travel with the request."""
        return _MAGIC + json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes | str | None) -> ContextState:
        """Read what :meth:`encode` wrote, also as base64 text; raise ValueError for others."""
        raw = base64.b64decode(data) if isinstance(data, str) else data
        if not raw or not raw.startswith(_MAGIC):
            raise ValueError("opaque_state is missing, or not of this engine")
        try:
            content: dict[str, Any] = json.loads(raw[len(_MAGIC) :])
            addresses = tuple(map(str, content["addresses"]))
            layout = Layout(**content["layout"])
            state = cls(layout, int(content["tokens"]), str(content["key"]), addresses)
            for address in addresses:
                split_address(address)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"opaque_state is damaged: {error!r}") from error
        if not addresses or state.tokens < 1:
            raise ValueError("opaque_state names no rank or no tokens")
        return state


def split_address(address: str) -> tuple[str, int]:
    """Split HOST:PORT; raise ValueError for anything else."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise ValueError(f"expected HOST:PORT, got {address!r}")
    return host, int(port)


def pack(tokens: Sequence[int]) -> str:
    """Return a payload as text that fits a message."""
    return base64.b64encode(struct.pack(f"<{len(tokens)}I", *tokens)).decode()


def unpack(payload: str) -> list[int]:
    """Return a payload's tokens; raise ValueError when it is cut."""
    raw = base64.b64decode(payload)
    if len(raw) % 4:
        raise ValueError(f"a payload of {len(raw)} bytes is cut")
    return list(struct.unpack(f"<{len(raw) // 4}I", raw))


def part_of(tokens: Sequence[int], part: int, parts: int) -> list[int]:
    """Return the share that one of several ranks keeps, as each keeps some heads of a real one."""
    return list(tokens[part::parts])


def join(shares: Sequence[Sequence[int]], length: int) -> list[int]:
    """Put the shares of all ranks together again; raise ValueError when they do not fit."""
    if sum(map(len, shares)) != length:
        sizes = [len(share) for share in shares]
        raise ValueError(f"{length} tokens were expected, shares of {sizes} arrived")
    tokens = [0] * length
    for part, share in enumerate(shares):
        tokens[part :: len(shares)] = share
    return tokens
