"""Engines whose ranks are event loops in threads: real messages, real TCP, no MPI, no processes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tensorrt_llm import LLM, SamplingParams
from tensorrt_llm._emulation import loading
from tensorrt_llm._emulation.gpu import GpuMemory, visible_gpus
from tensorrt_llm._emulation.leader_rank import ADDRESS_VARIABLE, KEY_VARIABLE, LeaderRank
from tensorrt_llm._emulation.rank import Rank, WorkerRank
from tensorrt_llm._emulation.settings import FIRST_TOKEN_MS, INTER_TOKEN_MS, LOAD_S
from tensorrt_llm._emulation.wire import connect, listen, parse_address
from tensorrt_llm._emulation.world import Meeting, World
from tensorrt_llm.disaggregated_params import DisaggregatedParams
from tensorrt_llm.executor.result import GenerationResult
from tensorrt_llm.executor.stats import iteration_stats
from tensorrt_llm.llmapi import llm as llm_module
from tensorrt_llm.llmapi import llm_args
from tensorrt_llm.scheduling_params import SchedulingParams

from tests.harness.engine.kit import choice, word_ids

BUDGET_S = 10.0
KEY = "key"
PROMPT = tuple(range(20, 90))
"""Three blocks of 32 tokens, the last one not full."""
CAPACITY_TOKENS = 3200
_CONFIG = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "vocab_size": 9000,
    "max_position_embeddings": 4096,
    "eos_token_id": 1,
}


class ThreadWorld(World):
    """The world of one rank among others that are threads of this process."""

    def __init__(self, rank: int, size: int, meeting: Meeting) -> None:
        super().__init__()
        self.rank = self.local_rank = rank
        self.size = self.local_size = size
        self.meeting = meeting

    def abort(self, code: int) -> None:
        """End nothing: the process is the test's."""


@dataclass
class Ranks:
    """All ranks of one engine, until they are stopped."""

    address: str
    threads: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(cls, size: int) -> Ranks:
        """Start a leader, and workers that have met it."""
        with listen("127.0.0.1", 0) as trial:
            new = cls(f"tcp://127.0.0.1:{trial.getsockname()[1]}")
        listener = listen("127.0.0.1", 0)
        meeting = Meeting(["127.0.0.1"], listener.getsockname()[1], "world")
        world = ThreadWorld(0, size, meeting)
        world.listener = listener
        new._run(LeaderRank(world, new.address, KEY))
        for rank in range(1, size):
            hello = {"t": "rank", "rank": rank}
            channel = connect(meeting.hosts, meeting.port, key="world", hello=hello, timeout_s=5)
            new._run(WorkerRank(ThreadWorld(rank, size, meeting), channel))
        return new

    def stop(self) -> None:
        """Let all ranks leave, and wait for them."""
        host, port = parse_address(self.address)
        connect([host], port, key=KEY, hello={"t": "stop"}, timeout_s=5)
        for thread in self.threads:
            thread.join(5)

    def _run(self, rank: Rank) -> None:
        self.threads.append(threading.Thread(target=rank.run, daemon=True))
        self.threads[-1].start()


@dataclass
class Engine:
    """One engine, asked as Dynamo asks it."""

    llm: LLM
    ranks: Ranks

    def request(
        self,
        prompt: Sequence[int] = PROMPT,
        handed: DisaggregatedParams | None = None,
        *,
        rank: int | None = None,
        **sampling: Any,
    ) -> GenerationResult:
        """Make a request, plain or with disaggregated parameters."""
        result: GenerationResult = self.llm.generate_async(
            list(prompt),
            SamplingParams(detokenize=False, **sampling),
            disaggregated_params=handed,
            scheduling_params=SchedulingParams(attention_dp_rank=rank),
            streaming=handed is None or handed.request_type != "context_only",
        )
        return result

    def context_only(
        self, prompt: Sequence[int] = PROMPT, *, request_id: int | None = None, **wishes: Any
    ) -> GenerationResult:
        """Make a request for a prompt's KV cache and the answer's first token."""
        handed = DisaggregatedParams(request_type="context_only", disagg_request_id=request_id)
        return self.request(prompt, handed, **wishes)

    async def prefill(self, prompt: Sequence[int] = PROMPT, **wishes: Any) -> DisaggregatedParams:
        """Return what a decode engine needs for its part."""
        result = await self.context_only(prompt, **wishes).aresult()
        handed = result.outputs[0].disaggregated_params
        assert handed is not None
        return replace(handed, request_type="generation_only")

    def generation_only(self, handed: DisaggregatedParams, **wishes: Any) -> GenerationResult:
        """Go on from a prefill; the prompt that is passed along is another one."""
        return self.request([7] * 3, handed, **wishes)

    async def rows(self, timeout_s: float = 0.5) -> list[dict[str, Any]]:
        """Return the statistics of the next iteration; none, when there was none."""
        return [row async for row in self.llm.get_stats_async(timeout=timeout_s)]

    def now(self) -> list[dict[str, Any]]:
        """Return the statistics of this moment."""
        return iteration_stats(self.llm._scheduler, attention_dp=self.llm.args.enable_attention_dp)

    async def used(self, expected: int) -> None:
        """Wait until so many blocks are in use, on all ranks together."""
        await self.until(
            lambda rows: sum(row["kvCacheStats"]["usedNumBlocks"] for row in rows) == expected
        )

    async def until(self, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until the statistics are as wanted."""
        while not condition(self.now()):
            await self.rows(timeout_s=1.0)


class Engines:
    """Makes engines, and ends what it has made."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._made: list[Engine] = []

    def make(self, *, transceiver: dict[str, Any] | None = None, **arguments: Any) -> Engine:
        """Start an engine; ``transceiver`` is its ``cache_transceiver_config``."""
        arguments = {"max_seq_len": 2048, "max_batch_size": 8, **arguments}
        cache = {"max_tokens": CAPACITY_TOKENS, **arguments.pop("kv_cache_config", {})}
        config = {"backend": "UCX"} if transceiver is None else {"backend": "UCX"} | transceiver
        ranks = Ranks.start(arguments.get("tensor_parallel_size", 1))
        self._monkeypatch.setenv(ADDRESS_VARIABLE, ranks.address)
        llm = LLM(
            self._folder,
            gpus_per_node=2,
            kv_cache_config=cache,
            cache_transceiver_config=config if config["backend"] else None,
            **arguments,
        )
        self._made.append(Engine(llm, ranks))
        return self._made[-1]

    def pair(self, **arguments: Any) -> tuple[Engine, Engine]:
        """Start two engines alike: one to prefill, one to decode."""
        return self.make(**arguments), self.make(**arguments)

    def end(self) -> None:
        """Shut all engines down, and stop their ranks."""
        for engine in self._made:
            engine.llm.shutdown()
            engine.ranks.stop()


def make_engines(folder: Path, gpus: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    """Write a model into a folder, and have engines of this process use it and these GPUs."""
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": word_ids()}}))
    for module in (loading, llm_module, llm_args):
        monkeypatch.setattr(module, "visible_gpus", partial(visible_gpus, gpus))
    monkeypatch.setattr(loading, "GpuMemory", partial(GpuMemory, folder=gpus, devices=gpus))
    monkeypatch.setenv("TLLM_SPAWN_PROXY_PROCESS", "1")
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    for name, value in ((LOAD_S, "0"), (FIRST_TOKEN_MS, "1"), (INTER_TOKEN_MS, "0.1")):
        monkeypatch.setenv(name, value)
    return Engines(folder, monkeypatch)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene, with a deadline."""

    async def bounded() -> None:
        await asyncio.wait_for(scene(), BUDGET_S)

    asyncio.run(bounded())


def aggregated(**wishes: Any) -> Any:
    """Return the output of an engine that does it all by itself."""
    one = choice(**{"prompt": PROMPT, **wishes})
    while not one.finished:
        one.grow()
    return one.output
