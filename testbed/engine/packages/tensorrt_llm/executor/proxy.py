"""The LLM's process side of the engine: rank 0 is reached over TCP, and through it all ranks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from .._emulation.leader_rank import ADDRESS_VARIABLE, KEY_VARIABLE
from .._emulation.model_files import spawned_by_launcher
from .._emulation.wire import Channel, ChannelClosed, Message, connect, listen, parse_address
from ..logger import logger, print_colored
from .utils import EngineDeadError

_REACH_TIMEOUT_S = 300.0
_ANSWER_TIMEOUT_S = 30.0
_UNLOAD_TIMEOUT_S = 60.0
_OWN_RANK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Loaded:
    """What all ranks have got: room for so many tokens in the smallest KV cache, and where."""

    kv_tokens: int
    kv_addresses: tuple[str | None, ...]
    """By rank, HOST:PORT to fetch KV caches from; None without a transceiver."""


class GenerationExecutorProxy:
    """One loaded engine.

    Submitted to all ranks, stepped with all ranks, given back by all ranks.
    """

    def __init__(self) -> None:
        self._fatal_error: BaseException | None = None
        self._channel: Channel | None = None
        self._own_rank: subprocess.Popen[bytes] | None = None
        self._awaited: dict[str, Future[Message]] = {}
        self._steps: dict[int, list[Callable[[BaseException | None], None]]] = {}
        self._next_round: list[Callable[[BaseException | None], None]] = []
        self._round = 0
        self._round_open = False
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._on_death: Callable[[BaseException], None] = lambda _: None
        self.on_transfer: Callable[[Message], None] = lambda _: None
        """Takes what ranks report of KV cache transfers, in the thread that listens."""

    def start(
        self, plan: dict[str, Any], *, world_size: int, on_death: Callable[[BaseException], None]
    ) -> Loaded:
        """Load on all ranks; return what they have got.

        Raise ValueError when the MPI world is not as large as the model needs, RuntimeError when
        a rank fails or is lost while loading.
        """
        try:
            return self._load(plan, world_size=world_size, on_death=on_death)
        except BaseException:
            self._end_own_rank()
            raise

    def _load(
        self, plan: dict[str, Any], *, world_size: int, on_death: Callable[[BaseException], None]
    ) -> Loaded:
        channel = self._reach_leader(world_size)
        workers = channel.receive(_ANSWER_TIMEOUT_S)["size"]
        if workers != world_size:
            channel.close()
            raise ValueError(
                f"External MPI session has {workers} workers but "
                f"the model needs world_size={world_size}."
            )
        self._channel, self._on_death = channel, on_death
        ready = self._expect("ready")
        threading.Thread(
            target=self._listen, name="proxy_dispatch_result_thread", daemon=True
        ).start()
        channel.send({"t": "submit", "plan": plan})
        message = ready.result()
        if message["t"] == "failed":
            logger.error(
                f"Executor worker initialization error: rank {message['rank']}: {message['error']}"
            )
            raise RuntimeError("Executor worker returned error") from RuntimeError(message["error"])
        return Loaded(int(message["kv_tokens"]), tuple(message["kv_addresses"]))

    def check_health(self) -> bool:
        """Whether the engine can still serve."""
        return self._fatal_error is None

    def step(self, done: Callable[[BaseException | None], None]) -> None:
        """Let all ranks take part in one iteration; ``done`` is called, in another thread, after.

        Requests that come while an iteration is under way share the next one.
        """
        with self._lock:
            if self._fatal_error is None:
                self._next_round.append(done)
                self._open_round()
                return
        done(EngineDeadError(str(self._fatal_error)))

    def transfer(self, wish: Message) -> None:
        """Tell ranks what to do with a KV cache; for a dead engine there is nothing to do."""
        channel = self._channel
        if channel is None or self._fatal_error is not None:
            return
        with contextlib.suppress(ChannelClosed), self._sending:
            channel.send(wish)

    def shutdown(self) -> None:
        """Give everything back on all ranks, in order; a dead engine is left as it is."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        if self._fatal_error is None:
            unloaded = self._expect("unloaded")
            try:
                with self._sending:
                    channel.send({"t": "unload"})
                unloaded.result(_UNLOAD_TIMEOUT_S)
            except (ChannelClosed, FutureTimeoutError) as error:
                logger.error(f"the ranks did not give back the engine: {error!r}")
        self._fatal_error = self._fatal_error or EngineDeadError("the engine was shut down")
        channel.close()
        self._end_own_rank()

    # -------------------------------------------------------------------------------- inside

    def _reach_leader(self, world_size: int) -> Channel:
        if spawned_by_launcher():
            print_colored("rank 0 using MpiCommSession to bind to external MPI processes\n")
        elif world_size == 1:
            self._start_own_rank()
        else:
            raise RuntimeError(
                f"world_size={world_size} without trtllm-llmapi-launch: the emulated engine does "
                "not spawn MPI processes; start one task per GPU through trtllm-llmapi-launch"
            )
        host, port = parse_address(os.environ[ADDRESS_VARIABLE])
        return connect(
            [host],
            port,
            key=os.environ[KEY_VARIABLE],
            hello={"t": "proxy"},
            timeout_s=_REACH_TIMEOUT_S,
        )

    def _start_own_rank(self) -> None:
        """Start the one rank of a world of one as a process of its own.

        GPU memory belongs to a process.
        """
        with listen("127.0.0.1", 0) as trial:
            port = trial.getsockname()[1]
        os.environ[ADDRESS_VARIABLE] = f"tcp://127.0.0.1:{port}"
        os.environ[KEY_VARIABLE] = os.urandom(32).hex()
        command = [
            sys.executable,
            "-m",
            "tensorrt_llm.llmapi.mgmn_leader_node",
            "--action",
            "alone",
        ]
        self._own_rank = subprocess.Popen(command, stdin=subprocess.PIPE)

    def _end_own_rank(self) -> None:
        """Close the pipe that the rank lives by."""
        if self._own_rank is None:
            return
        try:
            self._own_rank.communicate(timeout=_OWN_RANK_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._own_rank.kill()
            self._own_rank.wait()
        self._own_rank = None

    def _expect(self, kind: str) -> Future[Message]:
        future: Future[Message] = Future()
        self._awaited[kind] = future
        return future

    def _listen(self) -> None:
        """Take what rank 0 says, until one of the two sides is gone."""
        channel = self._channel
        try:
            while channel is not None:
                for message in channel.read():
                    self._take(message)
        except ChannelClosed as error:
            if self._channel is not None:
                self._die(RuntimeError(f"Remote MPI worker died: ConnectionResetError: {error}"))

    def _take(self, message: Message) -> None:
        kind = message["t"]
        if kind == "stepped":
            self._round_done(message["round"])
        elif kind == "kv":
            self.on_transfer(message)
        elif kind == "dead":
            self._die(RuntimeError(f"Remote MPI worker died: {message['error']}"))
        elif kind == "failed":
            self._resolve("ready", message)
        else:
            self._resolve(kind, message)

    def _resolve(self, kind: str, message: Message) -> None:
        future = self._awaited.pop(kind, None)
        if future is not None and not future.done():
            future.set_result(message)

    def _open_round(self) -> None:
        if self._round_open or not self._next_round or self._channel is None:
            return
        self._round += 1
        self._round_open = True
        self._steps[self._round], self._next_round = self._next_round, []
        try:
            with self._sending:
                self._channel.send({"t": "step", "round": self._round})
        except ChannelClosed:  # the listening thread finds out and tells everybody
            return

    def _round_done(self, number: int) -> None:
        with self._lock:
            waiting = self._steps.pop(number, [])
            self._round_open = False
            self._open_round()
        for done in waiting:
            done(None)

    def _die(self, error: BaseException) -> None:
        """Nothing can be served any more: tell everybody who waits, as soon as it is known."""
        with self._lock:
            if self._fatal_error is not None:
                return
            self._fatal_error = error
            waiting = [done for group in self._steps.values() for done in group] + self._next_round
            self._steps.clear()
            self._next_round = []
        ready = self._awaited.pop("ready", None)
        if ready is not None:
            logger.error("Executor worker died during initialization.")
            ready.set_exception(RuntimeError("Executor worker died during initialization"))
        for future in self._awaited.values():
            future.set_exception(error)
        for done in waiting:
            done(EngineDeadError(str(error)))
        self._on_death(error)


async def step_together(executor: GenerationExecutorProxy) -> None:
    """Await one iteration of all ranks; raise EngineDeadError when the engine is or gets lost."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def done(error: BaseException | None) -> None:
        loop.call_soon_threadsafe(_settle, future, error)

    executor.step(done)
    await future


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
