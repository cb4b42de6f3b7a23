"""How faults are written: ``[RANK=]FAULT``, separated by commas; without a rank for all of them."""

from __future__ import annotations

from collections.abc import Iterator


def faults_for(text: str, rank: int) -> Iterator[tuple[str, bool]]:
    """Yield every fault of a list, and whether it is meant for a rank.

    All are yielded, so that a slip is told, whomever it was meant for. Raise ValueError for what is
    no rank.
    """
    for part in filter(None, text.split(",")):
        key, separator, fault = part.strip().rpartition("=")
        if separator and not key.isdigit():
            raise ValueError(f"expected [RANK=]FAULT, got rank {key!r}")
        yield fault, not separator or int(key) == rank
