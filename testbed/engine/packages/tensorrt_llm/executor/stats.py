"""Numbers about iterations, in the shape TensorRT-LLM gives them, for who asks from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterable
from typing import Any

from .kv_events import KvCacheEvents
from .scheduler import Phase, Scheduler, Ticket

__all__ = ["IterationFeed", "KvCacheEvents", "iteration_stats"]

_ITERATION_S = 0.05


def iteration_stats(scheduler: Scheduler, *, attention_dp: bool = False) -> list[dict[str, Any]]:
    """Return the statistics of the latest iteration: one row, or with attention DP one per rank.

    Requests are counted for the whole engine in every row, as are those that queue in the first
    one; what is scheduled and the KV cache are the rank's own.
    """
    tickets, waiting = scheduler.tickets(), scheduler.waiting()
    engine = {
        "iter": scheduler.iterations,
        "timestamp": time.strftime("%m-%d-%Y %H:%M:%S"),
        "iterLatencyMS": 0.0,
        "numActiveRequests": len(tickets),
        "maxNumActiveRequests": scheduler.max_running * len(scheduler.loads),
    }
    ranks = range(len(scheduler.loads)) if attention_dp else (0,)
    by_rank: dict[int, list[Ticket]] = {rank: [] for rank in ranks}
    for ticket in tickets:
        by_rank[ticket.rank].append(ticket)
    return [
        {
            **engine,
            "attentionDpRank": rank,
            "numQueuedRequests": len(waiting) if rank == 0 else 0,
            "kvCacheStats": _cache(scheduler, rank),
            "inflightBatchingStats": {
                **_scheduled(by_rank[rank]),
                **_queued(tickets if rank == 0 else (), waiting if rank == 0 else ()),
            },
        }
        for rank in ranks
    ]


def _cache(scheduler: Scheduler, rank: int) -> dict[str, Any]:
    used = scheduler.loads[rank].used_blocks
    return {
        "maxNumBlocks": scheduler.capacity_blocks,
        "usedNumBlocks": used,
        "freeNumBlocks": scheduler.capacity_blocks - used,
        "tokensPerBlock": scheduler.tokens_per_block,
        "cacheHitRate": 0.0,
    }


def _scheduled(tickets: Iterable[Ticket]) -> dict[str, int]:
    """Return what one rank works on; nothing is ever paused, no prompt is found in the cache."""
    context = [ticket for ticket in tickets if ticket.phase is Phase.CONTEXT]
    generation = [ticket for ticket in tickets if ticket.phase is Phase.GENERATION]
    return {
        "numScheduledRequests": len(context) + len(generation),
        "numContextRequests": len(context),
        "numCtxTokens": sum(ticket.need.prompt_tokens for ticket in context),
        "numCtxKvTokens": 0,
        "numGenRequests": len(generation),
        "numGenKvTokens": sum(
            ticket.need.prompt_tokens + ticket.generated for ticket in generation
        ),
        "numPausedRequests": 0,
        "numPausedKvTokens": 0,
    }


def _queued(tickets: Iterable[Ticket], waiting: Iterable[Ticket]) -> dict[str, int]:
    """Return what waits: for its turn, or (generation only) for its KV cache to arrive."""
    context = [ticket for ticket in waiting if not ticket.need.generation_only]
    generation = [ticket for ticket in waiting if ticket.need.generation_only]
    generation += [ticket for ticket in tickets if ticket.phase is Phase.TRANSFER]
    return {
        "numQueuedContextRequests": len(context),
        "numQueuedCtxTokens": sum(ticket.need.prompt_tokens for ticket in context),
        "numQueuedGenRequests": len(generation),
        "numQueuedGenKvTokens": sum(ticket.need.prompt_tokens for ticket in generation),
    }


class IterationFeed:
    """Tells readers, each on an event loop of its own, when there were new iterations.

    What happens within ``gap_s`` seconds is one iteration: Dynamo publishes each one's rows without
    a pause, and is to have time for requests too.
    """

    def __init__(self, scheduler: Scheduler, gap_s: float = _ITERATION_S) -> None:
        self._scheduler = scheduler
        self._gap_s = gap_s
        self._told = -1
        self._told_at = 0.0
        self._lock = threading.Lock()
        self._waiters: list[asyncio.Future[None]] = []
        scheduler.on_iteration = self._wake

    async def news(self, timeout_s: float) -> bool:
        """Wait for an iteration that nobody was told of yet; return whether there was one."""
        end = time.monotonic() + timeout_s
        if not await self._changed(timeout_s):
            return False
        over = self._told_at + self._gap_s
        await asyncio.sleep(max(0.0, min(over, end) - time.monotonic()))
        if time.monotonic() < over:
            return False
        self._told, self._told_at = self._scheduler.iterations, time.monotonic()
        return True

    async def _changed(self, timeout_s: float) -> bool:
        with self._lock:
            if self._told != self._scheduler.iterations:
                return True
            future = asyncio.get_running_loop().create_future()
            self._waiters.append(future)
        try:
            await asyncio.wait_for(future, timeout_s)
        except asyncio.TimeoutError:
            return False
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._waiters.remove(future)
        return True

    def _wake(self) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, []
        for future in waiters:
            with contextlib.suppress(RuntimeError):  # its loop was closed meanwhile
                future.get_loop().call_soon_threadsafe(_settle, future)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
