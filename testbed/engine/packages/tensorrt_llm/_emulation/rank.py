"""What every rank process does between joining its world and leaving it."""

from __future__ import annotations

import contextlib
import sys

from ..logger import logger, say
from ..version import __version__
from . import settings
from .events import Events
from .loading import RankEngine
from .transceiver import KvTransceiver
from .wire import Channel, ChannelClosed, Message
from .world import World, join_world

HARD_KILL_EXIT_CODE = 137
"""MPI_Abort's code when a rank of the world was lost (128 + SIGKILL)."""

MEET_TIMEOUT_S = 60.0


class Rank:
    """State and answers that leader and workers share."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.events = Events()
        self.transceiver = KvTransceiver(self.events, self.report)
        self.engine = RankEngine(world, self.events, self.transceiver)
        self.leaving = False

    def report(self, news: Message) -> None:
        """Let the LLM's process know what became of a KV cache transfer."""
        raise NotImplementedError

    def say_hello(self) -> None:
        """Say which engine this is, as an import of the real one does, and that it is emulated."""
        logger.set_rank(self.world.rank)
        say(
            f"[TensorRT-LLM] TensorRT-LLM version: {__version__} "
            "(emulated engine: no model, nothing is computed)\n"
        )

    def lost(self, who: str) -> None:
        """End the world: a rank is gone without leave, and no collective can ever finish."""
        if self.leaving:
            return
        self.leaving = True
        grace_s = settings.hard_kill_grace_s()
        logger.error(f"lost connection to {who}")
        if grace_s is None:
            return
        logger.error(
            f"Executor loop crashed on this rank; hard-killing all {self.world.size} ranks "
            f"in {grace_s:g}s (peers cannot make progress without this rank). "
            f"Set {settings.HARD_KILL_GRACE_S}=-1 to disable."
        )
        self.events.later(grace_s, self._abort)

    def leave(self) -> None:
        """Stop in order: the event loop ends, then MPI."""
        self.leaving = True
        self.engine.unload()
        self.events.stop()

    def run(self) -> None:
        """Run until told to leave, then leave the MPI world with the others.

        Raise SystemExit when this rank is to end with another exit code than 0.
        """
        self.events.run()
        self.world.finalize()
        if self.engine.faults.exit_code:
            raise SystemExit(self.engine.faults.exit_code)

    def _abort(self) -> None:
        logger.error("HangDetector: propagating hard-kill to all ranks via MPI_Abort.")
        sys.stdout.flush()
        self.world.abort(HARD_KILL_EXIT_CODE)


class WorkerRank(Rank):
    """Rank 1 and up: does what the leader's rank says."""

    def __init__(self, world: World, to_leader: Channel) -> None:
        super().__init__(world)
        self._to_leader = to_leader
        self.events.watch(to_leader, self._on_message, lambda _: self.lost("rank 0"))

    def _on_message(self, _: Channel, message: Message) -> None:
        kind = message["t"]
        if kind == "load":
            self.engine.load(message["plan"], self._loaded, self._failed)
        elif kind == "map":
            self.engine.map_neighbours()
            self._to_leader.send({"t": "mapped"})
        elif kind == "step":
            self.engine.iterate()
            self._to_leader.send({"t": "stepped", "round": message["round"]})
        elif kind == "kv":
            self.transceiver.take(message)
        elif kind == "unload":
            self.engine.unload()
            self._to_leader.send({"t": "unloaded"})
        elif kind == "stop":
            self.leave()

    def report(self, news: Message) -> None:
        """Tell the leader, which tells the LLM's process."""
        # That the leader is gone is found out, and acted on, where its messages are read.
        with contextlib.suppress(ChannelClosed):
            self._to_leader.send({"t": "kv", "rank": self.world.rank, **news})

    def _loaded(self, kv_tokens: int, kv_address: str | None) -> None:
        self._to_leader.send({"t": "loaded", "kv_tokens": kv_tokens, "kv_address": kv_address})

    def _failed(self, error: str) -> None:
        self._to_leader.send({"t": "failed", "error": error})


def run_worker() -> None:
    """Be a worker rank, from joining the world to ``worker rankN quited``."""
    from .wire import connect

    world = join_world()
    if world.rank == 0:
        raise RuntimeError("rank 0 is the leader node, started by mgmn_leader_node")
    meeting = world.meeting
    channel = connect(
        meeting.hosts,
        meeting.port,
        key=meeting.key,
        hello={"t": "rank", "rank": world.rank},
        timeout_s=MEET_TIMEOUT_S,
    )
    rank = WorkerRank(world, channel)
    rank.say_hello()
    rank.run()
    say(f"WARNING:root:worker rank{world.rank} quited\n", sys.stderr)
