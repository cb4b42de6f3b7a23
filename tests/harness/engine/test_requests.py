"""Requests: admitted by batch size and KV cache, paced by the clock, ended by abort or death."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tensorrt_llm.executor.result import GenerationResult, Pace, Serving
from tensorrt_llm.executor.scheduler import Need, Scheduler

from tests.harness.engine.kit import PROMPT, choice

BUDGET_S = 10.0


class Bench:
    """Requests on a scheduler, with a step that can be held up."""

    def __init__(self, *, max_running: int = 4, kv: int = 10_000, pace: Pace | None = None) -> None:
        self.scheduler = Scheduler(max_running, kv)
        self.ended: list[int] = []
        self.go = asyncio.Event()
        self.go.set()
        self.pace = pace or Pace(0.0, 0.0, 1)
        self._next = 0

    async def step(self) -> None:
        """Wait for all ranks, as it were."""
        await self.go.wait()

    def request(self, **wishes: Any) -> GenerationResult:
        """Make a request of one choice."""
        self._next += 1
        streaming = wishes.pop("streaming", True)
        kv_tokens = wishes.pop("kv_tokens", 10)
        serving = Serving(
            self.scheduler, self.pace, self.step, lambda done: self.ended.append(done.request_id)
        )
        return GenerationResult(
            self._next,
            PROMPT,
            [choice(**wishes)],
            serving=serving,
            need=Need(len(PROMPT), kv_tokens),
            streaming=streaming,
        )


def run(scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene, with a deadline."""

    async def bounded() -> None:
        await asyncio.wait_for(scene(), BUDGET_S)

    asyncio.run(bounded())


def test_a_stream_grows_to_its_end() -> None:
    async def scene() -> None:
        request = Bench(pace=Pace(0.0, 0.001, 1)).request(max_tokens=6)

        lengths = [len(news.outputs[0].token_ids) async for news in request]

        assert lengths == sorted(set(lengths))
        assert lengths[-1] == 6
        assert request.finished

    run(scene)


def test_an_interval_gives_several_tokens_at_a_time() -> None:
    async def scene() -> None:
        request = Bench(pace=Pace(0.0, 0.002, 4)).request(max_tokens=12)

        lengths = [len(news.outputs[0].token_ids) async for news in request]

        assert len(lengths) <= 5
        assert lengths[-1] == 12

    run(scene)


def test_without_streaming_there_is_one_result() -> None:
    async def scene() -> None:
        request = Bench(pace=Pace(0.0, 0.001, 1)).request(max_tokens=6, streaming=False)

        assert [len(news.outputs[0].token_ids) async for news in request] == [6]

    run(scene)


def test_tokens_take_their_time() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        request = Bench(pace=Pace(0.05, 0.02, 1)).request(max_tokens=4)
        started = loop.time()

        await request.aresult()

        assert loop.time() - started >= 0.05 + 3 * 0.02

    run(scene)


def test_requests_beyond_the_batch_wait_their_turn() -> None:
    async def scene() -> None:
        bench = Bench(max_running=2, pace=Pace(0.0, 0.005, 1))
        requests = [asyncio.ensure_future(bench.request(max_tokens=5).aresult()) for _ in range(6)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert (bench.scheduler.active, bench.scheduler.queued) == (2, 4)
        await asyncio.gather(*requests)
        assert bench.scheduler.active == bench.scheduler.queued == bench.scheduler.used_blocks == 0

    run(scene)


def test_requests_wait_for_room_in_the_kv_cache() -> None:
    async def scene() -> None:
        bench = Bench(kv=100, pace=Pace(0.01, 0.0, 1))
        requests = [
            asyncio.ensure_future(bench.request(max_tokens=5, kv_tokens=60).aresult())
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert (bench.scheduler.active, bench.scheduler.queued) == (1, 1)
        await asyncio.gather(*requests)

    run(scene)


def test_abort_frees_the_place_at_once() -> None:
    async def scene() -> None:
        bench = Bench(max_running=1, pace=Pace(0.0, 3.0, 1))
        slow = bench.request(max_tokens=100)
        await anext(slow)
        waiting = asyncio.ensure_future(anext(bench.request(max_tokens=1)))

        slow.abort()
        await waiting

        assert [news.outputs[0].finish_reason async for news in slow] == ["cancelled"]
        assert slow.aborted

    run(scene)


def test_abort_of_a_waiting_request_takes_it_from_the_queue() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.go.clear()
        request = bench.request(max_tokens=5)
        waiting = asyncio.ensure_future(request.aresult())
        await asyncio.sleep(0.01)

        request.abort()
        await waiting

        assert bench.scheduler.active == 0

    run(scene)


def test_no_token_comes_before_all_ranks_have_stepped() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.go.clear()
        first = asyncio.ensure_future(anext(bench.request(max_tokens=5)))
        await asyncio.sleep(0.02)

        assert not first.done()
        bench.go.set()
        await first

    run(scene)


def test_death_of_the_engine_reaches_who_waits() -> None:
    async def scene() -> None:
        bench = Bench(pace=Pace(5.0, 0.0, 1))
        request = bench.request(max_tokens=5)
        waiting = asyncio.ensure_future(anext(request))
        await asyncio.sleep(0.01)

        request.fail(RuntimeError("Remote MPI worker died: rank 9 is gone"))

        with pytest.raises(RuntimeError, match="rank 9"):
            await waiting
        assert bench.scheduler.active == 0

    run(scene)


def test_a_dropped_request_gives_its_place_back() -> None:
    async def scene() -> None:
        bench = Bench(pace=Pace(0.0, 5.0, 1))
        request = bench.request(max_tokens=5)
        await anext(request)

        del request
        await asyncio.sleep(0.01)

        assert bench.scheduler.active == 0

    run(scene)
