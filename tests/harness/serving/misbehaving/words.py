"""Pseudo-text: deterministic, never one word twice in a row, some of it not ASCII."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count

PLAIN = (
    "river", "stone", "cloud", "lamp", "winter", "garden", "paper", "silver", "morning", "bridge",
    "window", "candle", "forest", "letter", "harbour", "music", "shadow", "orange", "valley",
    "copper", "island", "summer", "carpet", "meadow", "violin", "thunder", "basket", "mirror",
    "north", "feather", "castle", "pepper", "ladder", "engine", "walnut", "circle", "marble",
    "rabbit", "velvet", "anchor", "button", "cellar", "dragon", "evening", "fountain", "gravel",
    "honey", "insect", "jungle", "kettle", "lantern", "market", "needle", "ocean", "planet",
    "quarry", "ribbon", "saddle", "temple", "umbrella",
)  # fmt: skip
WIDE = ("日本語", "žluťoučký", "🐉", "naïveté", "한국어", "Äpfel", "🌊🌊", "मौसम", "œuvre", "中文")

WIDE_PLACE = 3
"""Of every five words the one at this place is not ASCII; so it has plain neighbours."""

_PIECE = re.compile(r"\w{1,16}|[^\w\s]")
_MASK = (1 << 64) - 1


def words(key: str) -> Iterator[str]:
    """Give the endless text of ``key``, one token at a time; all but the first begin with a blank.

    The numbers behind it are Knuth's MMIX generator, seeded with a hash of ``key``.
    """
    state = _number(key)
    last = ""
    for place in count():
        state = (state * 6364136223846793005 + 1442695040888963407) & _MASK
        pool = WIDE if place % 5 == WIDE_PLACE else PLAIN
        at = (state >> 33) % len(pool)
        last = pool[at] if pool[at] != last else pool[(at + 1) % len(pool)]
        yield f" {last}" if place else last


def own_length(key: str) -> int:
    """Return after how many tokens the text of ``key`` comes to its own end: about 200."""
    return 180 + _number(key) % 41


def count_tokens(text: str) -> int:
    """Return the length of a prompt in tokens: its words (of at most 16 letters) and its signs."""
    return sum(1 for _ in _PIECE.finditer(text))


def _number(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
