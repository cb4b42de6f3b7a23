"""Rank 0: the hub between the LLM's process, which holds no GPU, and all ranks."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from ..logger import logger
from .rank import Rank
from .wire import Channel, ChannelClosed, Message, connect, key_fits, listen, parse_address
from .world import World, join_world

ADDRESS_VARIABLE = "TLLM_SPAWN_PROXY_PROCESS_IPC_ADDR"
KEY_VARIABLE = "TLLM_SPAWN_PROXY_PROCESS_IPC_HMAC_KEY"


class LeaderRank(Rank):
    """Takes one LLM's wishes, has all ranks do them, and tells the LLM when all have."""

    def __init__(self, world: World, address: str, key: str) -> None:
        super().__init__(world)
        self._key = key
        self._workers: dict[int, Channel] = {}
        self._proxy: Channel | None = None
        self._waiting: Message | None = None
        self._open: dict[str, set[int]] = {}
        self._then: dict[str, Callable[[], None]] = {}
        self._kv_tokens: list[int] = []
        self._kv_addresses: dict[int, str | None] = {}
        self._loaded = False
        host, port = parse_address(address)
        self.events.accept(listen(host, port), self._from_proxy_side, self._proxy_side_closed)
        if world.listener is not None:
            self.events.accept(world.listener, self._from_worker_side, self._worker_side_closed)

    # ---------------------------------------------------------------------------- the LLM's side

    def _from_proxy_side(self, channel: Channel, message: Message) -> None:
        if channel is not self._proxy:
            if not key_fits(message, self._key):
                self.events.forget(channel)
                return
            self._greeted(channel, message)
            return
        if message["t"] == "submit":
            self._submit(message)
        elif message["t"] == "step":
            self._all(
                "step", message, lambda: self._tell({"t": "stepped", "round": message["round"]})
            )
        elif message["t"] == "kv":
            self._to_some(message)
        elif message["t"] == "unload":
            self._all("unload", message, self._unloaded)

    def _greeted(self, channel: Channel, message: Message) -> None:
        if message["t"] == "stop":
            self._stop()
        elif message["t"] == "proxy":
            self._proxy = channel
            channel.send({"t": "world", "size": self.world.size})

    def _proxy_side_closed(self, channel: Channel) -> None:
        """Forget an LLM's process that is gone: like the real server, do not act on it.

        Nor does this.
        """
        if channel is self._proxy:
            self._proxy = None

    def _tell(self, message: Message) -> None:
        if self._proxy is None:
            return
        try:
            self._proxy.send(message)
        except ChannelClosed:
            self._proxy = None

    # ------------------------------------------------------------------------- the workers' side

    def _from_worker_side(self, channel: Channel, message: Message) -> None:
        rank = next((rank for rank, known in self._workers.items() if known is channel), None)
        if rank is None:
            if message.get("t") == "rank" and key_fits(message, self.world.meeting.key):
                self._workers[message["rank"]] = channel
                self._submit_when_complete()
            else:
                self.events.forget(channel)
            return
        self._from_rank(rank, message)

    def _worker_side_closed(self, channel: Channel) -> None:
        for rank, known in self._workers.items():
            if known is channel:
                self._tell({"t": "dead", "error": f"rank {rank} is gone"})
                self.lost(f"rank {rank}")

    def _from_rank(self, rank: int, message: Message) -> None:
        kind = message["t"]
        if kind == "kv":
            self._tell(message)
            return
        if kind == "failed":
            self._tell({"t": "failed", "rank": rank, "error": message["error"]})
            return
        if kind == "loaded":
            self._kv_tokens.append(message["kv_tokens"])
            self._kv_addresses[rank] = message["kv_address"]
        self._done(
            {"loaded": "load", "mapped": "map", "stepped": "step", "unloaded": "unload"}[kind], rank
        )

    # ---------------------------------------------------------------------------------- all ranks

    def _submit(self, message: Message) -> None:
        self._waiting = message
        self._submit_when_complete()

    def _submit_when_complete(self) -> None:
        """Load once every rank of the world has come to the meeting.

        While an engine is loaded, another one waits for ever, as it does for the real server: one
        that lost its LLM's process is never given back.
        """
        if self._waiting is None or self._loaded or len(self._workers) < self.world.size - 1:
            return
        self._loaded = True
        plan, self._waiting = self._waiting["plan"], None
        self._kv_tokens, self._kv_addresses = [], {}
        self._all("load", {"t": "load", "plan": plan}, self._map)

    def _map(self) -> None:
        """All ranks have made their shared memory: now each maps its neighbours'."""
        self._all("map", {"t": "map"}, self._ready)

    def _ready(self) -> None:
        addresses = [self._kv_addresses[rank] for rank in range(self.world.size)]
        self._tell({"t": "ready", "kv_tokens": min(self._kv_tokens), "kv_addresses": addresses})

    def _unloaded(self) -> None:
        self._loaded = False
        self._tell({"t": "unloaded"})
        self._proxy = None

    def _all(self, kind: str, message: Message, then: Callable[[], None]) -> None:
        """Have every rank do something; ``then`` runs when the last has answered."""
        self._open[kind] = set(range(self.world.size))
        self._then[kind] = then
        self._to_workers({**message, "t": kind})
        self._own_part(kind, message)

    def _to_workers(self, message: Message) -> None:
        """Tell all workers; that one is gone is reported by the event loop."""
        for channel in self._workers.values():
            with contextlib.suppress(ChannelClosed):
                channel.send(message)

    def _to_some(self, message: Message) -> None:
        """Pass a wish about KV caches on: ``to`` has, by rank, what only that rank is told."""
        common = {name: value for name, value in message.items() if name != "to"}
        for rank, own in message["to"].items():
            if int(rank) == 0:
                self.transceiver.take({**common, **own})
                continue
            with contextlib.suppress(ChannelClosed, KeyError):
                self._workers[int(rank)].send({**common, **own})

    def report(self, news: Message) -> None:
        """Tell the LLM's process."""
        self._tell({"t": "kv", "rank": 0, **news})

    def _own_part(self, kind: str, message: Message) -> None:
        if kind == "load":
            self.engine.load(
                message["plan"],
                lambda tokens, address: self._from_rank(
                    0, {"t": "loaded", "kv_tokens": tokens, "kv_address": address}
                ),
                lambda error: self._from_rank(0, {"t": "failed", "error": error}),
            )
            return
        if kind == "map":
            self.engine.map_neighbours()
        elif kind == "step":
            self.engine.iterate()
        elif kind == "unload":
            self.engine.unload()
        self._done(kind, 0)

    def _done(self, kind: str, rank: int) -> None:
        self._open[kind].discard(rank)
        if not self._open[kind]:
            self._then[kind]()

    def _stop(self) -> None:
        self.leaving = True
        self._to_workers({"t": "stop"})
        self.leave()


def run_leader(*, alone: bool = False) -> None:
    """Be rank 0, from joining the world until the communication server is told to stop.

    ``alone``: in a world of one, as the child of an LLM that ends with its parent, whose pipe is
    standard input.
    """
    world = World() if alone else join_world()
    rank = LeaderRank(world, os.environ[ADDRESS_VARIABLE], os.environ[KEY_VARIABLE])
    rank.say_hello()
    if alone:
        rank.events.when_readable(sys.stdin.fileno(), rank.leave)
    logger.info(
        f"MPI Comm Server started at {os.environ[ADDRESS_VARIABLE]} with {world.size} workers"
    )
    rank.run()


def stop_leader() -> None:
    """Tell the communication server of this node to stop."""
    host, port = parse_address(os.environ[ADDRESS_VARIABLE])
    connect([host], port, key=os.environ[KEY_VARIABLE], hello={"t": "stop"}, timeout_s=10.0)
