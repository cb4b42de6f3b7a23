"""KV cache transfers as the LLM's process sees them: the ranks do them, and report.

Reports come in the thread that listens to the ranks; who waits does so on an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._emulation.kv_state import ContextState, Layout, join, pack, unpack
from .._emulation.wire import Message
from ..logger import logger
from .utils import EngineDeadError, RequestError

Send = Callable[[Message], None]


@dataclass(frozen=True)
class Payload:
    """A prompt's KV cache that has arrived: its tokens, and what moving it took."""

    tokens: list[int]
    size_bytes: int
    seconds: float
    """Of the slowest rank, from its wish to its last byte."""


@dataclass
class _Holding:
    """A cache that ranks keep for a decode engine."""

    ranks: tuple[int, ...]
    on_end: Callable[[], None]
    ready: asyncio.Future[None]
    kept_by: set[int] = field(default_factory=set)
    fetched: set[int] = field(default_factory=set)


@dataclass
class _Pull:
    """A cache that ranks are fetching."""

    ranks: tuple[int, ...]
    tokens: int
    arrived: asyncio.Future[Payload]
    shares: dict[int, list[int]] = field(default_factory=dict)
    seconds: float = 0.0


class Transfers:
    """What is held for decode engines, and what is fetched from prefill engines."""

    def __init__(self, layout: Layout | None) -> None:
        self.layout = layout
        self.key = os.urandom(16).hex()
        """What has to be shown by who wants to fetch from this engine."""
        self._send: Send = lambda _: None
        self._addresses: Sequence[str | None] = ()
        self._holdings: dict[int, _Holding] = {}
        self._pulls: dict[int, _Pull] = {}
        self._lock = threading.RLock()
        self._closed: str | None = None

    def open(self, send: Send, addresses: Sequence[str | None]) -> None:
        """Begin, with a loaded engine: how its ranks are told, and where they listen."""
        self._send, self._addresses = send, addresses

    # ------------------------------------------------------------------------- the prefill side

    def state(self, ranks: Iterable[int], tokens: int) -> ContextState:
        """Return where the cache is that these ranks keep."""
        addresses = tuple(address for rank in ranks if (address := self._addresses[rank]))
        return ContextState(self.require_layout(), tokens, self.key, addresses)

    async def hold(
        self,
        context: int,
        tokens: Sequence[int],
        *,
        ranks: Sequence[int],
        on_end: Callable[[], None],
    ) -> None:
        """Have ranks keep a prompt's cache; return when all of them do.

        ``on_end`` is called, in any thread, when it was fetched or given up. Raise RequestError
        when another request of the same id is under way.
        """
        self._require_open()
        holding = _Holding(tuple(ranks), on_end, asyncio.get_running_loop().create_future())
        with self._lock:
            if context in self._holdings:
                raise RequestError(f"a context request {context} is under way already")
            self._holdings[context] = holding
        self._tell(holding.ranks, {"do": "hold", "context": context, "payload": pack(tokens)})
        await holding.ready

    def drop(self, context: int) -> None:
        """Keep a cache no longer; an unknown one is fine."""
        with self._lock:
            holding = self._holdings.pop(context, None)
        if holding is None:
            return
        self._tell(holding.ranks, {"do": "drop", "context": context})
        _settle(holding.ready, None)
        holding.on_end()

    # -------------------------------------------------------------------------- the decode side

    async def pull(
        self, request_id: int, context: int, *, state: ContextState, ranks: Sequence[int]
    ) -> Payload:
        """Have ranks fetch a prompt's cache, each its share; return it when all has arrived.

        Raise RequestError when it does not, or cannot because the engines differ.
        """
        differs = self.require_layout().mismatch(state.layout)
        if differs is not None:
            error = f"Error in kv cache transfer for generation requests: {differs}"
            logger.error(error)
            raise RequestError(error)
        self._require_open()
        arrived: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._pulls[request_id] = _Pull(tuple(ranks), state.tokens, arrived)
        self._tell_shares(ranks, state, {"do": "pull", "id": request_id, "context": context})
        try:
            return await arrived
        finally:
            self._forget_pull(request_id)

    def discard(self, request_id: int, context: int, *, state: ContextState) -> None:
        """Let a prefill engine know that its cache will not be fetched."""
        self._tell_shares((0,), state, {"do": "discard", "id": request_id, "context": context})

    # ------------------------------------------------------------------------------------- both

    def require_layout(self) -> Layout:
        """Return this engine's layout; raise RequestError when its KV cache cannot travel."""
        if self.layout is None:
            raise RequestError(
                "kv_cache_transceiver is disabled, please set 'cache_transceiver_config: "
                "backend:<backend_type>` in config file for disaggregated serving"
            )
        return self.layout

    def take(self, report: Message) -> None:
        """Take what a rank reports."""
        about = report["about"]
        if about == "held":
            self._kept(report["context"], report["rank"])
        elif about == "sent":
            self._fetched(report)
        elif about in ("lost", "expired"):
            self.drop(report["context"])
        elif about == "pulled":
            self._arrived(report)
        elif about == "pull_failed":
            with self._lock:
                pull = self._pulls.get(report["id"])
            if pull is not None:
                _settle(pull.arrived, RequestError(report["error"]))

    def close(self, error: str) -> None:
        """Give everything up; who waits, or comes later, gets an EngineDeadError."""
        self._closed = error
        with self._lock:
            pulls = list(self._pulls.values())
            contexts = list(self._holdings)
        for pull in pulls:
            _settle(pull.arrived, EngineDeadError(error))
        for context in contexts:
            self.drop(context)

    def _require_open(self) -> None:
        if self._closed is not None:
            raise EngineDeadError(self._closed)

    def _kept(self, context: int, rank: int) -> None:
        with self._lock:
            holding = self._holdings.get(context)
            if holding is None:
                return
            holding.kept_by.add(rank)
            if holding.kept_by != set(holding.ranks):
                return
        _settle(holding.ready, None)

    def _fetched(self, report: Message) -> None:
        with self._lock:
            holding = self._holdings.get(report["context"])
            if holding is None:
                return
            holding.fetched.add(report["part"])
            if len(holding.fetched) < report["parts"]:
                return
        self.drop(report["context"])

    def _arrived(self, report: Message) -> None:
        with self._lock:
            pull = self._pulls.get(report["id"])
            if pull is None:
                return
            pull.shares[report["part"]] = unpack(report["payload"])
            pull.seconds = max(pull.seconds, report["seconds"])
            if len(pull.shares) < len(pull.ranks):
                return
        shares = [pull.shares[part] for part in range(len(pull.ranks))]
        try:
            tokens = join(shares, pull.tokens)
        except ValueError as error:
            text = f"Error in kv cache transfer for generation requests: {error}"
            _settle(pull.arrived, RequestError(text))
            return
        size = sum(len(share) for share in shares) * 4
        _settle(pull.arrived, Payload(tokens, size, pull.seconds))

    def _forget_pull(self, request_id: int) -> None:
        """Have those ranks stop that are not through yet."""
        with self._lock:
            pull = self._pulls.pop(request_id, None)
        if pull is not None:
            late = [rank for part, rank in enumerate(pull.ranks) if part not in pull.shares]
            self._tell(late, {"do": "cancel", "id": request_id})

    def _tell(self, ranks: Sequence[int], wish: Message) -> None:
        if ranks:
            self._send({"t": "kv", **wish, "to": {rank: {} for rank in ranks}})

    def _tell_shares(self, ranks: Sequence[int], state: ContextState, wish: Message) -> None:
        """Give each rank its share: our i-th one asks their i-th one, round and round."""
        own = {
            rank: {"part": part, "address": state.addresses[part % len(state.addresses)]}
            for part, rank in enumerate(ranks)
        }
        common = {"parts": len(ranks), "key": state.key, "tokens": state.tokens}
        self._send({"t": "kv", **wish, **common, "to": own})


def _settle(future: asyncio.Future[Any], outcome: object) -> None:
    """Give a future its value or error, from any thread."""

    def settle() -> None:
        if future.done():
            return
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(settle)
