"""The LLM: what Dynamo's worker makes, asks and shuts down."""

from __future__ import annotations

import asyncio
import itertools
import os
import weakref
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import Self

from .._emulation import settings
from .._emulation.answers import Vocabulary
from .._emulation.gpu import visible_gpus
from .._emulation.model_files import read_shape, resolve_model
from ..disaggregated_params import DisaggregatedParams
from ..executor import stats
from ..executor.choice import Choice
from ..executor.handoff import ContextOnly, Engine, GenerationOnly, handoff_of
from ..executor.proxy import GenerationExecutorProxy, Loaded, step_together
from ..executor.result import GenerationResult, Pace, RequestOutput, Serving
from ..executor.scheduler import Need, Scheduler
from ..executor.transfers import Transfers
from ..executor.utils import RequestError
from ..logger import logger
from ..sampling_params import SamplingParams
from ..scheduling_params import SchedulingParams
from ..version import __version__
from .limits import check_prompt, check_rank, check_tokens, deduce_max_tokens
from .llm_args import TorchLlmArgs
from .plan import check_gpus, kv_layout, kv_ranks, rank_plan
from .tokenizer import TransformersTokenizer

__all__ = ["LLM", "BaseLLM", "MultimodalEncoder", "RequestOutput", "SamplingParams"]


class BaseLLM:
    """An engine over all ranks of this worker, from its arguments to its shutdown."""

    def __init__(self, model: str | Path, **arguments: Any) -> None:
        logger.info(
            f"TensorRT-LLM {__version__}: an emulated engine; no model runs, answers are made up"
        )
        self._executor: GenerationExecutorProxy | None = None
        self.args = self._parse(model, arguments)
        if settings.run_faults(0).exit_early:
            os._exit(0)
        self._folder = resolve_model(self.args.model)
        self._shape = read_shape(self._folder)
        self._vocabulary = Vocabulary.from_folder(self._folder)
        self.max_seq_len = self.args.max_seq_len or self._shape.max_position_embeddings
        pace = Pace(settings.first_token_s(), settings.inter_token_s(), self.args.stream_interval)
        self._ids = itertools.count(1)
        self._results: weakref.WeakSet[GenerationResult] = weakref.WeakSet()
        self._tokenizer: TransformersTokenizer | None = None
        self._transfers = Transfers(kv_layout(self.args))
        loaded = self._start()
        self._scheduler = Scheduler(
            self.args.max_batch_size or 1,
            loaded.kv_tokens,
            tokens_per_block=self.args.kv_cache_config.tokens_per_block,
            ranks=self._dp_size,
        )
        self._feed = stats.IterationFeed(self._scheduler)
        self._engine = Engine(
            self._scheduler,
            self._transfers,
            lambda ticket: kv_ranks(self.args, ticket.rank),
            self.args.enable_attention_dp,
        )
        self._serving = Serving(self._scheduler, pace, self._step, self._request_done)
        self.events = stats.KvCacheEvents(
            self.args.kv_cache_config, loaded.kv_tokens * self._dp_size
        )

    # ------------------------------------------------------------------------------ requests

    def generate_async(
        self,
        inputs: Any,
        sampling_params: SamplingParams | None = None,
        *,
        disaggregated_params: DisaggregatedParams | None = None,
        scheduling_params: SchedulingParams | None = None,
        streaming: bool = False,
        **_: Any,
    ) -> GenerationResult:
        """Take one request; raise RequestError when it can never be served."""
        self._require_executor()
        faults = settings.run_faults(0)
        if faults.zombie:
            raise RequestError("Executor worker returned error: the request could not be scheduled")
        params = sampling_params or SamplingParams()
        prompt = self._prompt_tokens(inputs)
        request_id = next(self._ids)
        handoff = handoff_of(
            self._engine, disaggregated_params, request_id=request_id, prompt=prompt
        )
        if isinstance(handoff, ContextOnly):  # what ends an answer is the decode engine's concern
            params = replace(params, stop=None, stop_token_ids=None, ignore_eos=True, max_tokens=1)
        received = handoff.state.tokens if isinstance(handoff, GenerationOnly) else None
        check_prompt(self.args, len(prompt), generation_only=received is not None)
        prompt_tokens = len(prompt) if received is None else received
        max_tokens = deduce_max_tokens(params.max_tokens, prompt_tokens, self.max_seq_len)
        result = GenerationResult(
            request_id,
            prompt,
            [
                self._choice(i, prompt, params=params, max_tokens=max_tokens)
                for i in range(params.n)
            ],
            serving=self._serving,
            need=Need(
                prompt_tokens,
                prompt_tokens + max_tokens * params.n,
                **check_rank(scheduling_params, self._dp_size),
                generation_only=received is not None,
            ),
            streaming=streaming,
            disaggregated=disaggregated_params,
            handoff=handoff,
            perf_metrics=params.return_perf_metrics or self.args.return_perf_metrics,
        )
        result.truncate_after = faults.truncate_after
        self._results.add(result)
        return result

    def generate(
        self, inputs: Any, sampling_params: SamplingParams | None = None, **options: Any
    ) -> Any:
        """Answer one prompt, or a list of prompts, and wait for the whole answers."""
        single = isinstance(inputs, (str, dict)) or (bool(inputs) and isinstance(inputs[0], int))

        async def answer_all() -> list[GenerationResult]:
            requests = [
                self.generate_async(prompt, sampling_params, **options) for prompt in prompts
            ]
            return list(await asyncio.gather(*(request.aresult() for request in requests)))

        prompts = [inputs] if single else inputs
        answers = asyncio.run(answer_all())
        return answers[0] if single else answers

    @property
    def tokenizer(self) -> TransformersTokenizer:
        """The model's tokenizer, loaded when first asked for."""
        if self._tokenizer is None:
            self._tokenizer = TransformersTokenizer.from_pretrained(self._folder)
        return self._tokenizer

    # --------------------------------------------------------------------------------- state

    def get_kv_cache_capacity(self) -> dict[str, int]:
        """Return one rank's KV cache: its blocks, and tokens per block."""
        return {
            "maxNumBlocks": self._scheduler.capacity_blocks,
            "tokensPerBlock": self._scheduler.tokens_per_block,
        }

    async def get_stats_async(self, timeout: float | None = 2) -> AsyncIterator[dict[str, Any]]:
        """Yield statistics of the latest iteration, once: a row, or with attention DP one a rank.

        Waits up to ``timeout`` seconds for one that nobody was told of. Who would wait for a
        second or longer gets those of now instead: at once from an idle engine, else at the end.
        """
        patient = (timeout or 0) >= 1
        idle = not self._scheduler.active and not self._scheduler.queued
        wait_s = 0.0 if patient and idle else timeout or 0.0
        if await self._feed.news(wait_s) or patient:
            for row in stats.iteration_stats(
                self._scheduler, attention_dp=self.args.enable_attention_dp
            ):
                yield row

    async def get_kv_cache_events_async(
        self,
        timeout: float | None = 2,
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield what happened in the KV cache since the last call."""
        for event in self.events.drain():
            yield event

    def _check_health(self) -> bool:
        return self._executor is not None and self._executor.check_health()

    def shutdown(self) -> None:
        """End all requests and give back memory on all ranks; shutting down twice is fine."""
        executor, self._executor = self._executor, None
        for result in list(self._results):
            result.abort()
        self._transfers.close("the engine was shut down")
        if executor is not None:
            executor.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    # -------------------------------------------------------------------------------- inside

    def _parse(self, model: str | Path, arguments: dict[str, Any]) -> TorchLlmArgs:
        try:
            args = TorchLlmArgs(model=model, **arguments)
        except Exception as error:
            logger.error(f"Failed to parse the arguments for the LLM constructor: {error}")
            raise
        check_gpus(args, len(visible_gpus()))
        return args

    def _start(self) -> Loaded:
        for name, value in (self.args.env_overrides or {}).items():
            os.environ[name] = str(value)
        logger.info(f"start MpiSession with {self.args.world_size} workers")
        executor = GenerationExecutorProxy()
        plan = rank_plan(self.args, self._shape, self._transfers.key)
        executor.on_transfer = self._transfers.take
        loaded = executor.start(plan, world_size=self.args.world_size, on_death=self._engine_died)
        self._executor = executor
        self._transfers.open(executor.transfer, loaded.kv_addresses)
        logger.info(
            f"max_seq_len={self.max_seq_len}, KV cache of {loaded.kv_tokens} tokens per rank"
        )
        return loaded

    @property
    def _dp_size(self) -> int:
        """With attention DP every rank has a batch and a KV cache of its own."""
        return self.args.tensor_parallel_size if self.args.enable_attention_dp else 1

    def _engine_died(self, error: BaseException) -> None:
        logger.error(f"{error}")
        self._transfers.close(str(error))
        for result in list(self._results):
            result.fail(RuntimeError(str(error)))

    def _require_executor(self) -> GenerationExecutorProxy:
        if self._executor is None:
            raise RuntimeError("LLM is shutting down")
        return self._executor

    async def _step(self) -> None:
        await step_together(self._require_executor())

    def _request_done(self, result: GenerationResult) -> None:
        if result in self._results:
            self._results.discard(result)
            self.events.stored(result.prompt_token_ids)

    def _choice(
        self, index: int, prompt: Sequence[int], *, params: SamplingParams, max_tokens: int
    ) -> Choice:
        end_ids = self._shape.eos_token_ids if params.end_id is None else (params.end_id,)
        needs_text = params.detokenize or bool(params.stop_strings())
        decode = self.tokenizer.decode if needs_text else None
        return Choice(
            index,
            self._vocabulary,
            prompt,
            params=params,
            max_tokens=max_tokens,
            end_ids=end_ids,
            decode=decode,
        )

    def _prompt_tokens(self, inputs: Any) -> list[int]:
        if isinstance(inputs, dict):
            inputs = inputs.get("prompt_token_ids") or inputs.get("prompt")
        if isinstance(inputs, str):
            inputs = self.tokenizer.encode(inputs)
        tokens = [int(token) for token in inputs or ()]
        return check_tokens(tokens, self._vocabulary.size)


class LLM(BaseLLM):
    """The LLM with its PyTorch backend, emulated."""


class MultimodalEncoder(BaseLLM):
    """There is none: the emulation knows text only."""

    def __init__(self, model: str | Path, **_: Any) -> None:
        raise NotImplementedError(f"the emulated engine has no multimodal encoder (model {model})")
