"""How a request passes from a prefill engine to a decode engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .._emulation.kv_state import ContextState
from ..disaggregated_params import DisaggregatedParams
from .choice import Choice
from .perf_metrics import TimingMetrics
from .scheduler import Phase, Scheduler, Ticket
from .transfers import Transfers
from .utils import RequestError

_KINDS = (None, "context_only", "generation_only", "context_and_generation")


@dataclass(frozen=True)
class Engine:
    """What handing over needs of an engine."""

    scheduler: Scheduler
    transfers: Transfers
    ranks_of: Callable[[Ticket], Sequence[int]]
    """The ranks that have a request's KV cache."""
    attention_dp: bool


class Handoff:
    """Of a request that prompt and answer belong to one engine for: none."""

    async def receive(
        self, ticket: Ticket, choices: Sequence[Choice], timing: TimingMetrics
    ) -> None:
        """Get what the request starts from, once it has its place."""

    async def hand_over(self, ticket: Ticket, choices: Sequence[Choice]) -> bool:
        """Give a finished request away; return whether its place stays taken."""
        return False

    def give_up(self) -> None:
        """End without having been finished, or after it; more than once is fine."""


class ContextOnly(Handoff):
    """On a prefill engine: keeps the prompt's KV cache until it was fetched."""

    def __init__(
        self,
        engine: Engine,
        params: DisaggregatedParams,
        *,
        request_id: int,
        prompt: Sequence[int],
    ) -> None:
        self._engine = engine
        self._params = params
        self._prompt = prompt
        self._holds = False
        self._context = request_id
        if params.disagg_request_id is not None:
            self._context = params.disagg_request_id

    async def hand_over(self, ticket: Ticket, choices: Sequence[Choice]) -> bool:
        """Say where the KV cache is, and keep its blocks."""
        scheduler, ranks = self._engine.scheduler, self._engine.ranks_of(ticket)
        scheduler.hold(ticket)
        self._holds = True
        try:
            await self._engine.transfers.hold(
                self._context, self._prompt, ranks=ranks, on_end=lambda: scheduler.leave(ticket)
            )
        except RequestError:  # what is held under this id is another request's
            self._holds = False
            raise
        state = self._engine.transfers.state(ranks, len(self._prompt))
        logprobs = [choice.output.logprobs[0] for choice in choices if choice.output.logprobs]
        handed = replace(
            self._params,
            first_gen_tokens=[choice.output.token_ids[0] for choice in choices],
            first_gen_log_probs=logprobs or None,
            ctx_request_id=self._context,
            ctx_dp_rank=ticket.rank if self._engine.attention_dp else None,
            ctx_info_endpoint=[f"tcp://{address}" for address in state.addresses],
            opaque_state=state.encode(),
        )
        for choice in choices:
            choice.output.disaggregated_params = handed
        return True

    def give_up(self) -> None:
        """Free the blocks that are kept."""
        if self._holds:
            self._holds = False
            self._engine.transfers.drop(self._context)


class GenerationOnly(Handoff):
    """On a decode engine: goes on from a KV cache that it fetches.

    Raise RequestError for parameters that do not come from a prefill engine.
    """

    def __init__(self, engine: Engine, params: DisaggregatedParams, *, request_id: int) -> None:
        try:
            self.state = ContextState.decode(params.opaque_state)
        except ValueError as error:
            raise RequestError(f"generation_only: {error}") from error
        if params.ctx_request_id is None or not params.first_gen_tokens:
            raise RequestError("generation_only: ctx_request_id or first_gen_tokens is missing")
        self._engine = engine
        self._request_id = request_id
        self._context = params.ctx_request_id
        self._first_tokens = params.first_gen_tokens
        self._first_logprobs = params.first_gen_log_probs or []
        self._untouched = True

    async def receive(
        self, ticket: Ticket, choices: Sequence[Choice], timing: TimingMetrics
    ) -> None:
        """Fetch the KV cache; the answer starts with the prefill engine's token."""
        self._untouched = False
        payload = await self._engine.transfers.pull(
            self._request_id,
            self._context,
            state=self.state,
            ranks=self._engine.ranks_of(ticket),
        )
        now = asyncio.get_running_loop().time()
        timing.transferred(now, seconds=payload.seconds, size_bytes=payload.size_bytes)
        for place, choice in enumerate(choices):
            known = place < len(self._first_logprobs)
            choice.resume(
                payload.tokens,
                self._first_tokens[min(place, len(self._first_tokens) - 1)],
                logprobs=self._first_logprobs[place] if known else None,
            )
            ticket.generated = len(choice.output.token_ids)
        self._engine.scheduler.advance(ticket, Phase.GENERATION)

    def give_up(self) -> None:
        """Let the prefill engine know, if nothing was fetched yet."""
        if self._untouched:
            self._untouched = False
            self._engine.transfers.discard(self._request_id, self._context, state=self.state)


def handoff_of(
    engine: Engine,
    params: DisaggregatedParams | None,
    *,
    request_id: int,
    prompt: Sequence[int],
) -> Handoff:
    """Return what a request's parameters ask for; raise RequestError when it cannot be had."""
    kind = params.request_type if params else None
    if kind not in _KINDS:
        raise RequestError(f"Unknown request type {kind!r}")
    if params is None or kind in (None, "context_and_generation"):
        return Handoff()
    engine.transfers.require_layout()
    if kind == "generation_only":
        return GenerationOnly(engine, params, request_id=request_id)
    return ContextOnly(engine, params, request_id=request_id, prompt=prompt)
