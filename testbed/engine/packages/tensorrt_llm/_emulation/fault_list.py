"""How faults are written: ``[RANK=]FAULT``, separated by commas; without a rank for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Faults = TypeVar("Faults")


def faults_of(
    text: str, rank: int, *, none: Faults, add: Callable[[Faults, str], Faults]
) -> Faults:
    """Return the faults of one rank: ``none`` with every fault of the list that is meant for it.

    All are added to something, so that a slip is told, whomever it was meant for. Raise ValueError
    for what is no rank; ``add`` does so for what is no fault.
    """
    faults = none
    for part in filter(None, text.split(",")):
        key, separator, fault = part.strip().rpartition("=")
        if separator and not key.isdigit():
            raise ValueError(f"expected [RANK=]FAULT, got rank {key!r}")
        changed = add(faults, fault)
        faults = changed if not separator or int(key) == rank else faults
    return faults
