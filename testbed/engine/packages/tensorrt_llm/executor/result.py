"""One request's result, to be awaited or iterated while it grows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..disaggregated_params import DisaggregatedParams
from .choice import Choice, CompletionOutput, Logprob
from .handoff import Handoff
from .perf_metrics import RequestPerfMetrics
from .scheduler import Need, Phase, Scheduler, Ticket

__all__ = ["CompletionOutput", "GenerationResult", "Logprob", "Pace", "RequestOutput", "Serving"]


@dataclass(frozen=True)
class Pace:
    """How fast tokens come, in seconds, and how many at a time."""

    first_token_s: float
    inter_token_s: float
    interval: int


@dataclass(frozen=True)
class Serving:
    """What all requests of one engine share."""

    scheduler: Scheduler
    pace: Pace
    step: Callable[[], Awaitable[None]]
    """One iteration that every rank takes part in."""
    on_done: Callable[[GenerationResult], None]


class GenerationResult:
    """Yields itself whenever there are new tokens; ``outputs[i].token_ids`` are cumulative.

    Nothing runs in the background: tokens are counted by the clock when somebody looks.
    """

    def __init__(
        self,
        request_id: int,
        prompt: Sequence[int],
        choices: Sequence[Choice],
        *,
        serving: Serving,
        need: Need,
        streaming: bool,
        disaggregated: DisaggregatedParams | None = None,
        handoff: Handoff | None = None,
        perf_metrics: bool = False,
    ) -> None:
        self.request_id = self.id = request_id
        self.prompt: str | None = None
        self.prompt_token_ids = list(prompt)
        self.outputs = [choice.output for choice in choices]
        self.aborted = False
        self.disaggregated_params = disaggregated
        self._choices = choices
        self._serving = serving
        self._need = need
        self._handoff = handoff or Handoff()
        self._metrics = RequestPerfMetrics()
        self._metrics.timing_metrics.arrival_time = timedelta(seconds=time.monotonic())
        for output in self.outputs if perf_metrics else ():
            output.request_perf_metrics = self._metrics
        self._streaming = streaming
        self._ticket: Ticket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._next_due = 0.0
        self._told_end = False
        self.truncate_after: int | None = None
        """Tokens after which it ends without a reason; None: never."""
        self._error: BaseException | None = None

    @property
    def finished(self) -> bool:
        """Whether all choices have ended."""
        return all(choice.finished for choice in self._choices)

    @property
    def metrics_dict(self) -> dict[str, Any]:
        """What the engine's own metrics take of a finished request."""
        return {"finished_reason": self.outputs[0].finish_reason}

    def abort(self) -> None:
        """End now; whoever iterates gets the end at once. Ending an ended request is fine.

        A KV cache that is kept for a decode engine, or was to come from a prefill engine, is not
        waited for any longer.
        """
        self._handoff.give_up()
        if self.finished:
            return
        self.aborted = True
        for choice in self._choices:
            choice.cancel()
        self._leave()
        self._wake_up()

    def fail(self, error: BaseException) -> None:
        """End with an error, from any thread."""
        self._error = error
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake_up)

    def __aiter__(self) -> AsyncIterator[GenerationResult]:
        return self

    async def __anext__(self) -> GenerationResult:
        async with self._turn:  # Dynamo iterates twice at a time when a client is gone early
            if self._told_end:
                raise StopAsyncIteration
            try:
                await self._until_news()
                self._end_early()
                if self.finished:
                    self._told_end = True
                    await self._hand_over()
            except BaseException as error:
                if isinstance(error, Exception):  # a second reader gets it too
                    self._error = error
                self._handoff.give_up()
                self._leave()
                raise
            if self.finished:
                self._leave()
            return self

    async def aresult(self) -> GenerationResult:
        """Await the end."""
        async for _ in self:
            pass
        return self

    def __await__(self) -> Any:
        return self.aresult().__await__()

    def __del__(self) -> None:
        ticket, loop = self._ticket, self._loop
        if (
            ticket is not None and loop is not None
        ):  # dropped half-way: its place must not stay taken
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._serving.scheduler.leave, ticket)

    # -------------------------------------------------------------------------------- inside

    async def _until_news(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            await self._start(loop)
            if self._streaming and self.outputs[0].token_ids:  # it came with the KV cache
                return
        wanted = self._serving.pace.interval if self._streaming else None
        while not self.finished:
            self._raise_error()
            await self._sleep_until(self._due_of(wanted), loop)
            self._raise_error()
            if self._grow(loop.time()) and (self._streaming or self.finished):
                return
        self._raise_error()

    def _end_early(self) -> None:
        """Raise StopAsyncIteration when the answer is to be cut off here."""
        limit = self.truncate_after
        if limit is not None and len(self.outputs[0].token_ids) > limit:
            self._told_end = True
            raise StopAsyncIteration

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticket = self._serving.scheduler.enter(self._need)
        waiting = asyncio.ensure_future(self._admission(self._ticket))
        try:
            while not waiting.done() and not self.finished:
                self._raise_error()
                self._wake = loop.create_future()
                await asyncio.wait({waiting, self._wake}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                error = waiting.exception()
                if error is not None and not self.aborted:
                    raise error
        finally:
            waiting.cancel()
        pace = self._serving.pace
        received = bool(self.outputs[0].token_ids)
        self._next_due = loop.time() + (pace.inter_token_s if received else pace.first_token_s)

    async def _admission(self, ticket: Ticket) -> None:
        await ticket.admitted
        self._metrics.scheduled(time.monotonic(), ticket.blocks)
        await self._handoff.receive(ticket, self._choices, self._metrics.timing_metrics)
        if self.outputs[0].token_ids:
            self._metrics.timing_metrics.token(time.monotonic())
        await self._serving.step()

    def _due_of(self, wanted: int | None) -> float:
        """When the next news is due: the next token, or the last of an interval."""
        have = max(len(output.token_ids) for output in self.outputs)
        if wanted is None or wanted == 1 or have == 0:
            return self._next_due
        return self._next_due + (wanted - 1) * self._serving.pace.inter_token_s

    def _grow(self, now: float) -> bool:
        """Add the tokens that are due by now."""
        grown = False
        while self._next_due <= now and not self.finished:
            for choice in self._choices:
                if not choice.finished:
                    choice.grow()
            self._next_due += self._serving.pace.inter_token_s
            grown = True
        if grown:
            self._note_growth()
        return grown

    def _note_growth(self) -> None:
        self._metrics.timing_metrics.token(time.monotonic())
        if self._ticket is not None:
            self._ticket.generated = sum(len(output.token_ids) for output in self.outputs)
            if not self.finished:
                self._serving.scheduler.advance(self._ticket, Phase.GENERATION)

    async def _sleep_until(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        if due <= loop.time():
            await asyncio.sleep(0)
            return
        self._wake = loop.create_future()
        handle = loop.call_at(due, self._wake_up)
        try:
            await self._wake
        finally:
            handle.cancel()

    async def _hand_over(self) -> None:
        """Give a prefill's result what a decode engine needs to go on; its place stays taken."""
        ticket = self._ticket
        if ticket is None or self.aborted:
            return
        if await self._handoff.hand_over(ticket, self._choices):
            self._ticket = None

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _leave(self) -> None:
        if self._ticket is not None:
            self._serving.scheduler.leave(self._ticket)
            self._ticket = None
        self._serving.on_done(self)


RequestOutput = GenerationResult
