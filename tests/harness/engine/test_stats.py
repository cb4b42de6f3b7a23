"""Statistics: one row per rank with attention DP, true at every moment, and idle in the end."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest
from tensorrt_llm.executor.scheduler import Need, Scheduler
from tensorrt_llm.executor.stats import IterationFeed, iteration_stats
from tensorrt_llm.metrics import MetricsCollector

from tests.harness.engine.test_transfer_failures import moved
from tests.harness.engine.worlds import PROMPT, Engines, play

FORWARD_PASS_FIELDS = {
    "numContextRequests",
    "numCtxTokens",
    "numCtxKvTokens",
    "numGenRequests",
    "numGenKvTokens",
    "numQueuedContextRequests",
    "numQueuedCtxTokens",
    "numQueuedGenRequests",
    "numQueuedGenKvTokens",
    "numPausedRequests",
    "numPausedKvTokens",
}
"""What Dynamo 1.4.2's publisher requires, or it publishes nothing (publisher.py)."""


def batching(rows: list[dict[str, Any]], rank: int = 0) -> dict[str, Any]:
    """Return what one rank's batch does, without what is nothing."""
    return {name: value for name, value in rows[rank]["inflightBatchingStats"].items() if value}


def test_with_attention_dp_there_is_a_row_for_every_rank(engines: Engines) -> None:
    engine = engines.make(tensor_parallel_size=3, enable_attention_dp=True)

    async def scene() -> None:
        requests = [engine.request(max_tokens=1900, ignore_eos=True) for _ in range(2)]
        for request in requests:
            await anext(request)

        rows = await engine.rows()

        assert [row["attentionDpRank"] for row in rows] == [0, 1, 2]
        assert [row["kvCacheStats"]["usedNumBlocks"] for row in rows] == [62, 62, 0]
        assert [row["kvCacheStats"]["maxNumBlocks"] for row in rows] == [100, 100, 100]
        assert [row["kvCacheStats"]["freeNumBlocks"] for row in rows] == [38, 38, 100]
        assert [row["numActiveRequests"] for row in rows] == [2, 2, 2]
        for request in requests:
            request.abort()
        await engine.used(0)
        assert engine.llm.get_kv_cache_capacity() == {"maxNumBlocks": 100, "tokensPerBlock": 32}

    play(scene)


def test_without_it_there_is_one_row(engines: Engines) -> None:
    engine = engines.make(tensor_parallel_size=2)

    async def scene() -> None:
        await engine.request(max_tokens=3).aresult()

        (row,) = await engine.rows()
        assert set(row["inflightBatchingStats"]) >= FORWARD_PASS_FIELDS
        assert row["kvCacheStats"]["usedNumBlocks"] == row["numActiveRequests"] == 0
        assert await engine.rows(timeout_s=0.01) == []

    play(scene)


def test_rows_tell_context_generation_and_transfer_apart(engines: Engines, silent: str) -> None:
    prefill, decode = engines.pair(max_batch_size=1)

    async def scene() -> None:
        handed = await prefill.prefill()
        travelling = decode.generation_only(moved(handed, addresses=(silent,)))
        task = asyncio.ensure_future(travelling.aresult())
        waiting = asyncio.ensure_future(decode.request().aresult())
        await decode.until(lambda rows: rows[0]["numQueuedRequests"] == 1)

        assert batching(decode.now()) == {
            "numQueuedContextRequests": 1,
            "numQueuedCtxTokens": len(PROMPT),
            "numQueuedGenRequests": 1,
            "numQueuedGenKvTokens": len(PROMPT),
        }
        travelling.abort()
        await asyncio.gather(task, waiting)

        long = decode.request(max_tokens=1900, ignore_eos=True)
        await anext(long)
        told = batching(decode.now())
        long.abort()
        assert told["numGenRequests"] == told["numScheduledRequests"] == 1
        assert told["numGenKvTokens"] > len(PROMPT)

    play(scene)


def test_a_request_that_has_to_queue_is_news() -> None:
    async def scene() -> None:
        scheduler = Scheduler(1, 3200)
        feed = IterationFeed(scheduler, gap_s=0)
        scheduler.enter(Need(1, 1))
        assert await feed.news(0)

        scheduler.enter(Need(1, 1))

        assert await feed.news(0)
        assert not await feed.news(0)

    play(scene)


def test_a_prompt_that_is_worked_on_counts_as_context() -> None:
    async def scene() -> None:
        scheduler = Scheduler(4, 3200)
        scheduler.enter(Need(70, 71))

        assert batching(iteration_stats(scheduler)) == {
            "numScheduledRequests": 1,
            "numContextRequests": 1,
            "numCtxTokens": 70,
        }

    play(scene)


def test_who_must_wait_for_a_rank_holds_up_nobody_else() -> None:
    async def scene() -> None:
        scheduler = Scheduler(1, 3200, ranks=2)
        first, second, third = (
            scheduler.enter(need) for need in (Need(1, 1, rank=0), Need(1, 1, rank=0), Need(1, 1))
        )

        assert (first.rank, third.rank) == (0, 1)
        assert scheduler.waiting() == [second]
        relaxed = scheduler.enter(Need(1, 1, rank=0, relaxed=True))
        scheduler.leave(third)
        assert (scheduler.waiting(), relaxed.rank) == ([second], 1)
        scheduler.leave(first)
        assert (scheduler.queued, second.rank) == (0, 0)

    play(scene)


def test_a_reader_in_another_thread_is_woken_and_does_not_spin() -> None:
    """Dynamo's publisher polls on an event loop of its own."""
    told: list[float] = []

    async def scene() -> None:
        scheduler = Scheduler(4, 3200)
        feed = IterationFeed(scheduler)
        assert await feed.news(5)

        def read() -> None:
            used = time.thread_time()
            if asyncio.run(feed.news(5)):
                told.append(time.thread_time() - used)

        thread = threading.Thread(target=read)
        thread.start()
        await asyncio.sleep(0.1)
        started = time.monotonic()
        scheduler.enter(Need(1, 1))
        await asyncio.to_thread(thread.join, 5)

        assert time.monotonic() - started < 1
        assert told[0] < 0.05

    play(scene)


def test_many_changes_are_few_iterations_and_the_last_one_is_told() -> None:
    async def scene() -> None:
        scheduler = Scheduler(4, 3200)
        feed = IterationFeed(scheduler, gap_s=0.05)
        told = 0
        for _ in range(50):
            scheduler.leave(scheduler.enter(Need(1, 1)))
            told += await feed.news(0.001)

        assert 1 <= told <= 5
        assert await feed.news(1)
        assert iteration_stats(scheduler)[0]["iter"] == 100

    play(scene)


def test_a_prefill_engine_is_drained_when_the_last_cache_was_fetched(engines: Engines) -> None:
    """What Dynamo's drain before shutdown looks at: the first row, over and over."""
    prefill, decode = engines.pair(tensor_parallel_size=2, enable_attention_dp=True)

    async def drained() -> list[int]:
        seen = list[int]()
        while not seen or seen[-1]:
            row = await anext(prefill.llm.get_stats_async(timeout=2))
            seen.append(row["numActiveRequests"] + row["numQueuedRequests"])
        return seen

    async def scene() -> None:
        handed = [await prefill.prefill(rank=1) for _ in range(2)]
        drain = asyncio.ensure_future(drained())
        results = [decode.generation_only(one, max_tokens=2).aresult() for one in handed]
        await asyncio.gather(*results)

        seen = await drain
        assert seen[0] == 2
        started = time.monotonic()
        assert await drained() == [0]
        assert time.monotonic() - started < 0.5

    play(scene)


class Metric:
    """Remembers what a metric of prometheus_client is set to."""

    def __init__(self, name: str, _: str, labels: list[str]) -> None:
        self.name, self.names, self.value = name, labels, -1.0

    def labels(self, **values: str) -> Metric:
        """Check the names."""
        assert list(values) == self.names
        return self

    def set(self, value: float) -> None:
        """Remember a value."""
        self.value = value


def test_the_utilization_is_that_of_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("prometheus_client")
    module.Counter = module.Gauge = Metric
    monkeypatch.setitem(sys.modules, "prometheus_client", module)
    collector = MetricsCollector({"model_name": "m"})

    for rank, used in enumerate((100, 50)):
        collector.log_iteration_stats(
            {"attentionDpRank": rank, "kvCacheStats": {"usedNumBlocks": used, "maxNumBlocks": 100}}
        )

    assert (collector._utilization.name, collector._utilization.value) == (
        "trtllm_kv_cache_utilization",
        0.75,
    )
