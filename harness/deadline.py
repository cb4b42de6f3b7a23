"""One deadline type and one waiter, on the monotonic clock.

A deadline is made once, at the edge, and handed down; nothing below it makes its own timeout.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.05
"""Pause between two looks, in seconds: small beside every budget, and long beside a look."""


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock, and when the waiting for it began."""

    started_s: float
    budget_s: float

    @classmethod
    def after(cls, budget_s: float) -> Deadline:
        """Return a deadline ``budget_s`` seconds from now."""
        return cls(started_s=time.monotonic(), budget_s=budget_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the deadline was made."""
        return time.monotonic() - self.started_s

    @property
    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.budget_s - self.elapsed_s)

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s == 0.0

    def capped(self, budget_s: float) -> float:
        """Return ``budget_s`` or what is left, whichever is less: a timeout for one call below."""
        return min(budget_s, self.remaining_s)


def wait_until(
    look: Callable[[], T | None],
    deadline: Deadline,
    *,
    watch: Callable[[], None] | None = None,
    poll_s: float = POLL_S,
) -> T | None:
    """Call ``look`` until it returns something true, and return that; ``None`` when time is up.

    ``watch`` is called before every look and raises when waiting has become pointless (a step that
    ended): early death beats the timeout.
    """
    while True:
        if watch is not None:
            watch()
        found = look()
        if found:
            return found
        if deadline.expired:
            return None
        time.sleep(min(poll_s, deadline.remaining_s))
