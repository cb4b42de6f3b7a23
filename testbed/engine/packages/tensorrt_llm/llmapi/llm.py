"""The LLM: what Dynamo's worker makes, asks and shuts down."""

from __future__ import annotations

import asyncio
import itertools
import os
import weakref
from collections.abc import AsyncIterator, Sequence
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
from ..executor.proxy import GenerationExecutorProxy, step_together
from ..executor.result import GenerationResult, Pace, RequestOutput, Serving
from ..executor.scheduler import Scheduler
from ..executor.utils import RequestError
from ..logger import logger
from ..sampling_params import SamplingParams
from ..version import __version__
from .limits import check_prompt, deduce_max_tokens
from .llm_args import TorchLlmArgs
from .plan import check_gpus, rank_plan
from .tokenizer import TransformersTokenizer

__all__ = ["LLM", "BaseLLM", "MultimodalEncoder", "RequestOutput", "SamplingParams"]

_DISAGGREGATED_KINDS = (None, "context_only", "generation_only", "context_and_generation")


class BaseLLM:
    """An engine over all ranks of this worker, from its arguments to its shutdown."""

    def __init__(self, model: str | Path, **arguments: Any) -> None:
        logger.info(
            f"TensorRT-LLM {__version__}: an emulated engine; no model runs, answers are made up"
        )
        self._executor: GenerationExecutorProxy | None = None
        self.args = self._parse(model, arguments)
        self._folder = resolve_model(self.args.model)
        self._shape = read_shape(self._folder)
        self._vocabulary = Vocabulary.from_folder(self._folder)
        self.max_seq_len = self.args.max_seq_len or self._shape.max_position_embeddings
        pace = Pace(settings.first_token_s(), settings.inter_token_s(), self.args.stream_interval)
        self._ids = itertools.count(1)
        self._results: weakref.WeakSet[GenerationResult] = weakref.WeakSet()
        self._tokenizer: TransformersTokenizer | None = None
        self._told_iterations = -1
        self._scheduler = Scheduler(self._max_running(), self._start())
        self._serving = Serving(self._scheduler, pace, self._step, self._request_done)
        self.events = stats.KvCacheEvents(
            self.args.kv_cache_config, self._scheduler.kv_capacity_tokens
        )

    # ------------------------------------------------------------------------------ requests

    def generate_async(
        self,
        inputs: Any,
        sampling_params: SamplingParams | None = None,
        *,
        disaggregated_params: DisaggregatedParams | None = None,
        streaming: bool = False,
        **_: Any,
    ) -> GenerationResult:
        """Take one request; raise RequestError when it can never be served."""
        self._require_executor()
        params = sampling_params or SamplingParams()
        prompt = self._prompt_tokens(inputs)
        kind = disaggregated_params.request_type if disaggregated_params else None
        if kind not in _DISAGGREGATED_KINDS:
            raise RequestError(f"Unknown request type {kind!r}")
        check_prompt(self.args, len(prompt), generation_only=kind == "generation_only")
        max_tokens = deduce_max_tokens(params.max_tokens, len(prompt), self.max_seq_len)
        max_tokens = 1 if kind == "context_only" else max_tokens
        choices = [
            self._choice(i, prompt, params=params, max_tokens=max_tokens) for i in range(params.n)
        ]
        result = GenerationResult(
            next(self._ids),
            prompt,
            choices,
            serving=self._serving,
            kv_tokens=len(prompt) + max_tokens * params.n,
            streaming=streaming,
            disaggregated=disaggregated_params,
        )
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
        """Return the KV cache's blocks and tokens per block."""
        block = self.args.kv_cache_config.tokens_per_block
        return {
            "maxNumBlocks": self._scheduler.kv_capacity_tokens // block,
            "tokensPerBlock": block,
        }

    async def get_stats_async(self, timeout: float | None = 2) -> AsyncIterator[dict[str, Any]]:
        """Yield statistics of iterations since the last call.

        Of now, when there were none for ``timeout`` seconds.
        """
        if self._scheduler.iterations == self._told_iterations:
            await asyncio.sleep(min(timeout or 0, 0.05))
        if self._scheduler.iterations != self._told_iterations or (timeout or 0) >= 1:
            self._told_iterations = self._scheduler.iterations
            yield stats.iteration_stats(self._scheduler, self.args)

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

    def _start(self) -> int:
        for name, value in (self.args.env_overrides or {}).items():
            os.environ[name] = str(value)
        logger.info(f"start MpiSession with {self.args.world_size} workers")
        executor = GenerationExecutorProxy()
        plan = rank_plan(self.args, self._shape)
        tokens = executor.start(plan, world_size=self.args.world_size, on_death=self._engine_died)
        self._executor = executor
        logger.info(f"max_seq_len={self.max_seq_len}, KV cache of {tokens} tokens per rank")
        return tokens * (self.args.tensor_parallel_size if self.args.enable_attention_dp else 1)

    def _max_running(self) -> int:
        """With attention DP every rank has a batch of its own."""
        ranks = self.args.tensor_parallel_size if self.args.enable_attention_dp else 1
        return (self.args.max_batch_size or 1) * ranks

    def _engine_died(self, error: BaseException) -> None:
        logger.error(f"{error}")
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
        if not tokens:
            raise RequestError("The prompt is empty")
        highest = max(tokens)
        if highest >= self._vocabulary.size or min(tokens) < 0:
            raise RequestError(
                f"Token ID out of range: {highest} of a vocabulary of {self._vocabulary.size}"
            )
        return tokens


class LLM(BaseLLM):
    """The LLM with its PyTorch backend, emulated."""


class MultimodalEncoder(BaseLLM):
    """There is none: the emulation knows text only."""

    def __init__(self, model: str | Path, **_: Any) -> None:
        raise NotImplementedError(f"the emulated engine has no multimodal encoder (model {model})")
