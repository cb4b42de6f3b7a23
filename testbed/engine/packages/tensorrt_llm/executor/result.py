"""One request's result, to be awaited or iterated while it grows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..disaggregated_params import DisaggregatedParams
from .choice import Choice, CompletionOutput, Logprob
from .scheduler import Scheduler, Ticket

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
        kv_tokens: int,
        streaming: bool,
        disaggregated: DisaggregatedParams | None = None,
    ) -> None:
        self.request_id = self.id = request_id
        self.prompt: str | None = None
        self.prompt_token_ids = list(prompt)
        self.outputs = [choice.output for choice in choices]
        self.aborted = False
        self.disaggregated_params = disaggregated
        self._choices = choices
        self._serving = serving
        self._kv_tokens = kv_tokens
        self._streaming = streaming
        self._ticket: Ticket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Future[None] | None = None
        self._next_due = 0.0
        self._told_end = False
        self._error: BaseException | None = None

    @property
    def finished(self) -> bool:
        """Whether all choices have ended."""
        return all(choice.finished for choice in self._choices)

    def abort(self) -> None:
        """End now; whoever iterates gets the end at once. Ending an ended request is fine."""
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
        if self._told_end:
            raise StopAsyncIteration
        try:
            await self._until_news()
        except BaseException:
            self._leave()
            raise
        if self.finished:
            self._told_end = True
            self._hand_over()
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
        wanted = self._serving.pace.interval if self._streaming else None
        while not self.finished:
            self._raise_error()
            await self._sleep_until(self._due_of(wanted), loop)
            self._raise_error()
            if self._grow(loop.time()) and (self._streaming or self.finished):
                return
        self._raise_error()

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticket = self._serving.scheduler.enter(self._kv_tokens)
        waiting = asyncio.ensure_future(self._admission(self._ticket))
        while not waiting.done() and not self.finished:
            self._raise_error()
            self._wake = loop.create_future()
            await asyncio.wait({waiting, self._wake}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()
        else:
            waiting.cancel()
        self._next_due = loop.time() + self._serving.pace.first_token_s

    async def _admission(self, ticket: Ticket) -> None:
        await ticket.admitted
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
        return grown

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

    def _hand_over(self) -> None:
        """Give a prefill's result what a decode engine needs to go on."""
        params = self.disaggregated_params
        if params is None or params.request_type != "context_only":
            return
        for output in self.outputs:
            output.disaggregated_params = replace(
                params,
                first_gen_tokens=list(output.token_ids[:1]),
                ctx_request_id=self.request_id,
                opaque_state=b"emulated",
            )

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
