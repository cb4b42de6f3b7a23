"""Which requests run and which wait.

By batch size and by room in the KV cache, first come first served.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from ..logger import logger


@dataclass(eq=False)
class Ticket:
    """One request's place.

    Waiting until ``admitted`` is done, then running until it is returned.
    """

    kv_tokens: int
    admitted: asyncio.Future[None]
    running: bool = field(default=False)


class Scheduler:
    """Admits requests up to ``max_running`` at a time, and while their KV cache fits."""

    def __init__(self, max_running: int, kv_capacity_tokens: int) -> None:
        self.max_running = max_running
        self.kv_capacity_tokens = kv_capacity_tokens
        self.kv_used_tokens = 0
        self.iterations = 0
        self._running: set[Ticket] = set()
        self._waiting: deque[Ticket] = deque()

    @property
    def active(self) -> int:
        """Requests that run."""
        return len(self._running)

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def enter(self, kv_tokens: int) -> Ticket:
        """Take a place in the queue; await its ``admitted`` before doing anything."""
        ticket = Ticket(kv_tokens, asyncio.get_running_loop().create_future())
        if kv_tokens > self.kv_capacity_tokens:
            # The real scheduler never finds room for it either, and says so.
            logger.warning("num_fitting_reqs=0, may not have enough kvCache")
        self._waiting.append(ticket)
        self._admit()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place back; leaving twice is fine."""
        if ticket in self._running:
            self._running.discard(ticket)
            self.kv_used_tokens -= ticket.kv_tokens
            self.iterations += 1
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self.max_running:
            ticket = self._waiting[0]
            if self.kv_used_tokens + ticket.kv_tokens > self.kv_capacity_tokens:
                return
            self._waiting.popleft()
            self._running.add(ticket)
            self.kv_used_tokens += ticket.kv_tokens
            self.iterations += 1
            if not ticket.admitted.done():
                ticket.admitted.set_result(None)
