"""The prefill side in one rank: keeps prompts' KV caches until decode ranks have fetched them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..logger import logger
from .events import Events, Timer
from .kv_buffer import Room, TransferBuffer
from .kv_state import pack, part_of, unpack
from .wire import Channel, ChannelClosed, Message, key_fits

Report = Callable[[Message], None]
"""Takes what the LLM's process is to know."""


@dataclass(frozen=True)
class _Held:
    """One prompt's cache, and when it is given up."""

    tokens: list[int]
    timer: Timer | None


@dataclass
class _Serving:
    """One decode rank that wants its share of one prompt's cache."""

    context: int
    part: int
    parts: int
    room: Room | None = None


class KvSender:
    """Answers decode ranks of any engine that shows the key."""

    def __init__(
        self,
        events: Events,
        buffer: TransferBuffer,
        report: Report,
        *,
        key: str,
        timeout_s: float | None,
    ) -> None:
        self._events = events
        self._buffer = buffer
        self._report = report
        self._key = key
        self._timeout_s = timeout_s
        self._held: dict[int, _Held] = {}
        self._peers: dict[Channel, dict[int, _Serving]] = {}

    def hold(self, context: int, payload: str) -> None:
        """Keep a cache until :meth:`drop`, and no longer than the transfer's time limit."""
        timer = None
        if self._timeout_s is not None:
            timer = self._events.later(self._timeout_s, lambda: self._expire(context))
        self._held[context] = _Held(unpack(payload), timer)
        self._report({"about": "held", "context": context})

    def drop(self, context: int) -> None:
        """Forget a cache; who still wants it is told that it is gone."""
        held = self._held.pop(context, None)
        if held is not None and held.timer is not None:
            held.timer.cancel()
        for channel, servings in list(self._peers.items()):
            for tag in [tag for tag, serving in servings.items() if serving.context == context]:
                self._refuse(channel, tag, context)

    def close(self) -> None:
        """Forget everything, and everybody."""
        for context in list(self._held):
            self.drop(context)
        for channel in list(self._peers):
            self._events.forget(channel)
        self._peers.clear()

    def on_message(self, channel: Channel, message: Message) -> None:
        """Take a decode rank's word; its first one must show the key."""
        if channel not in self._peers:
            if not key_fits(message, self._key):
                self._events.forget(channel)
                return
            self._peers[channel] = {}
        elif message["t"] == "want":
            self._want(channel, message)
        elif message["t"] in ("got", "cancel"):
            self._served(channel, message["tag"])
        elif message["t"] == "release":
            self._report_sent(_Serving(message["context"], message["part"], message["parts"]))

    def on_closed(self, channel: Channel) -> None:
        """Give up what a decode rank was about to fetch, now that it is gone."""
        for serving in self._peers.pop(channel, {}).values():
            _give_back(serving)
            why = "the generation side closed the connection"
            logger.error(
                f"Error in kv cache transfer for context requests: "
                f"request {serving.context}, part {serving.part + 1}/{serving.parts}: {why}"
            )
            self._report({"about": "lost", "context": serving.context, "error": why})

    def _want(self, channel: Channel, message: Message) -> None:
        tag, context = message["tag"], message["context"]
        serving = _Serving(context, message["part"], message["parts"])
        held = self._held.get(context)
        self._peers[channel][tag] = serving
        if held is None:
            self._refuse(channel, tag, context)
            return
        serving.room = self._buffer.ask(
            len(held.tokens),
            lambda: self._give(channel, tag, serving),
            what=f"context request {context}",
        )

    def _give(self, channel: Channel, tag: int, serving: _Serving) -> None:
        held = self._held.get(serving.context)
        if held is None:
            return
        share = part_of(held.tokens, serving.part, serving.parts)
        self._send(channel, {"t": "kv", "tag": tag, "payload": pack(share)})

    def _served(self, channel: Channel, tag: int) -> None:
        serving = self._peers[channel].pop(tag, None)
        if serving is not None:
            _give_back(serving)
            self._report_sent(serving)

    def _refuse(self, channel: Channel, tag: int, context: int) -> None:
        serving = self._peers[channel].pop(tag)
        _give_back(serving)
        error = f"no KV cache of context request {context} here: unknown, timed out or given up"
        self._send(channel, {"t": "no", "tag": tag, "error": error})

    def _expire(self, context: int) -> None:
        logger.warning(f"Terminating context request {context} due to KV cache transfer timeout")
        self._report({"about": "expired", "context": context})
        self.drop(context)

    def _report_sent(self, serving: _Serving) -> None:
        self._report(
            {
                "about": "sent",
                "context": serving.context,
                "part": serving.part,
                "parts": serving.parts,
            }
        )

    def _send(self, channel: Channel, message: Message) -> None:
        try:
            channel.send(message)
        except ChannelClosed:
            self._events.forget(channel)
            self.on_closed(channel)


def _give_back(serving: _Serving) -> None:
    room, serving.room = serving.room, None
    if room is not None:
        room.release()
