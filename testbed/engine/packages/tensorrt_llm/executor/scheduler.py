"""Which requests run and which wait.

By batch size and by room in the KV cache, first come first served; with attention DP every rank
has a batch and a cache of its own. Safe to use from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from ..logger import logger


class Phase(Enum):
    """What a request is at."""

    WAITING = "waiting"
    TRANSFER = "transfer"
    """It has its blocks, and waits for the KV cache that belongs into them."""
    CONTEXT = "context"
    GENERATION = "generation"
    HELD = "held"
    """It is over, and its KV cache is kept for a decode engine."""
    GONE = "gone"


@dataclass(frozen=True)
class Need:
    """What a request asks of the engine, in tokens."""

    prompt_tokens: int
    kv_tokens: int
    """Of prompt and answers together, at most."""
    rank: int | None = None
    """The rank with attention DP that must take it."""
    relaxed: bool = False
    """Whether another rank may take it when that one has no room."""
    generation_only: bool = False


@dataclass(eq=False)
class Ticket:
    """One request's place.

    Waiting until ``admitted`` is done, then running until it is returned.
    """

    need: Need
    blocks: int
    admitted: asyncio.Future[None]
    phase: Phase = Phase.WAITING
    rank: int = 0
    generated: int = field(default=0)
    """Tokens of the answer so far."""


@dataclass
class RankLoad:
    """What one rank's batch and cache hold."""

    running: int = 0
    used_blocks: int = 0


class Scheduler:
    """Admits requests up to ``max_running`` at a time and rank, and while their KV cache fits."""

    def __init__(
        self,
        max_running: int,
        kv_capacity_tokens: int,
        *,
        tokens_per_block: int = 32,
        ranks: int = 1,
    ) -> None:
        self.max_running = max_running
        self.tokens_per_block = tokens_per_block
        self.capacity_blocks = kv_capacity_tokens // tokens_per_block
        self.iterations = 0
        self.loads = [RankLoad() for _ in range(ranks)]
        self.on_iteration: Callable[[], None] = lambda: None
        self._tickets: set[Ticket] = set()
        self._waiting: deque[Ticket] = deque()
        self._lock = threading.RLock()

    @property
    def active(self) -> int:
        """Requests that run, or whose KV cache is still kept for a decode engine."""
        return len(self._tickets)

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @property
    def used_blocks(self) -> int:
        """Blocks in use on all ranks."""
        return sum(load.used_blocks for load in self.loads)

    def tickets(self) -> list[Ticket]:
        """Return those that have a place, at this moment."""
        return list(self._tickets)

    def waiting(self) -> list[Ticket]:
        """Return those that wait, at this moment."""
        return list(self._waiting)

    def enter(self, need: Need) -> Ticket:
        """Take a place in the queue; await its ``admitted`` before doing anything."""
        blocks = self._blocks(need.kv_tokens)
        ticket = Ticket(need, blocks, asyncio.get_running_loop().create_future())
        if blocks > self.capacity_blocks:
            # The real scheduler never finds room for it either, and says so.
            logger.warning("num_fitting_reqs=0, may not have enough kvCache")
        with self._lock:
            self._waiting.append(ticket)
            self._admit()
            if ticket.phase is Phase.WAITING:
                self._iterated()
        return ticket

    def advance(self, ticket: Ticket, phase: Phase) -> None:
        """Note what a request with a place is at now."""
        with self._lock:
            if ticket in self._tickets and ticket.phase is not phase:
                ticket.phase = phase
                self._iterated()

    def hold(self, ticket: Ticket) -> None:
        """Keep only the prompt's blocks; the batch has room for another request."""
        with self._lock:
            if ticket not in self._tickets or ticket.phase is Phase.HELD:
                return
            ticket.phase = Phase.HELD
            self._take(ticket, -1, -ticket.blocks)
            ticket.blocks = self._blocks(ticket.need.prompt_tokens)
            self._take(ticket, 0, ticket.blocks)
            self._iterated()
            self._admit()

    def leave(self, ticket: Ticket) -> None:
        """Give the place back; leaving twice is fine."""
        with self._lock:
            if ticket in self._tickets:
                self._tickets.discard(ticket)
                self._take(ticket, 0 if ticket.phase is Phase.HELD else -1, -ticket.blocks)
                self._iterated()
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
                self._iterated()
            ticket.phase = Phase.GONE
            self._admit()

    def _blocks(self, tokens: int) -> int:
        return -(-tokens // self.tokens_per_block)

    def _admit(self) -> None:
        """Admit who can be, in order; who waits for one rank holds up nobody else's."""
        closed: set[int] = set()
        for ticket in list(self._waiting):
            if len(closed) == len(self.loads):
                return
            rank = self._rank_for(ticket, closed)
            if rank is not None:
                self._waiting.remove(ticket)
                self._start(ticket, rank)

    def _rank_for(self, ticket: Ticket, closed: set[int]) -> int | None:
        """Return the least loaded rank with room; else close those it waits for to later ones."""
        everywhere = range(len(self.loads))
        wanted = everywhere if ticket.need.rank is None else (ticket.need.rank,)
        rank = self._least_loaded(ticket, set(wanted) - closed)
        if rank is None and ticket.need.relaxed:
            rank = self._least_loaded(ticket, set(everywhere) - closed)
        if rank is None:
            closed.update(wanted)
        return rank

    def _least_loaded(self, ticket: Ticket, ranks: Iterable[int]) -> int | None:
        fitting = [
            rank
            for rank in ranks
            if self.loads[rank].running < self.max_running
            and self.loads[rank].used_blocks + ticket.blocks <= self.capacity_blocks
        ]
        return min(
            fitting,
            key=lambda rank: (self.loads[rank].running, self.loads[rank].used_blocks, rank),
            default=None,
        )

    def _start(self, ticket: Ticket, rank: int) -> None:
        ticket.rank = rank
        ticket.phase = Phase.TRANSFER if ticket.need.generation_only else Phase.CONTEXT
        self._tickets.add(ticket)
        self._take(ticket, 1, ticket.blocks)
        self._iterated()
        # A closed loop: nobody waits for it any more.
        with contextlib.suppress(RuntimeError):
            ticket.admitted.get_loop().call_soon_threadsafe(_settle, ticket.admitted)

    def _take(self, ticket: Ticket, running: int, blocks: int) -> None:
        self.loads[ticket.rank].running += running
        self.loads[ticket.rank].used_blocks += blocks

    def _iterated(self) -> None:
        self.iterations += 1
        self.on_iteration()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
