"""The decode side's connection to one rank of a prefill engine."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from .events import Action, Events
from .kv_state import split_address
from .wire import Channel, ChannelClosed, Message, PatientChannel

_RESET = f"[Errno {errno.ECONNRESET}] {os.strerror(errno.ECONNRESET)}"


@dataclass(frozen=True)
class Asking:
    """Who waits for the answer to one question."""

    on_answer: Callable[[Message], None]
    on_lost: Callable[[str], None]


class Peer:
    """Made when first needed, kept open, and gone for good with its connection.

    ``on_end`` is called when it can no longer be used.
    """

    def __init__(self, events: Events, address: str, key: str, on_end: Action) -> None:
        self._events = events
        self._key = key
        self._on_end = on_end
        self._asking: dict[int, Asking] = {}
        self._unsaid: list[Message] = []
        self._channel: Channel | None = None
        self._retired = False
        self._ended = False
        self.answers = 0
        """How often it has answered: the sign of life of a connection."""
        host, port = split_address(address)
        self._give_up: Action = events.dial(host, port, self._opened, self._failed)

    def ask(self, message: Message, asking: Asking) -> None:
        """Say something that is answered; ``message["tag"]`` tells answers apart."""
        self._asking[message["tag"]] = asking
        self.tell(message)

    def tell(self, message: Message) -> None:
        """Say something, now or when connected."""
        if self._channel is None:
            self._unsaid.append(message)
            return
        try:
            self._channel.send(message)
        except ChannelClosed:
            # Not from here: who asks has not heard yet that it asks.
            self._events.later(0.0, self._lost)

    def leave(self, tag: int) -> None:
        """Wait no longer for an answer."""
        self._asking.pop(tag, None)
        self._close_if_unused()

    def retire(self) -> None:
        """Ask nothing more of it: it seems to be dead. Who still waits may go on waiting."""
        if not self._retired:
            self._retired = True
            self._on_end()
        self._close_if_unused()

    def close(self) -> None:
        """Close the connection, also one under way."""
        self._asking.clear()
        if self._channel is None:
            self._give_up()
        else:
            self._events.forget(self._channel)

    def _opened(self, connection: socket.socket) -> None:
        self._channel = PatientChannel(connection)
        self._events.watch(self._channel, self._heard, lambda _: self._lost())
        unsaid, self._unsaid = self._unsaid, []
        for message in [{"t": "hello", "key": self._key}, *unsaid]:
            self.tell(message)

    def _heard(self, _: Channel, message: Message) -> None:
        self.answers += 1
        asking = self._asking.pop(message["tag"], None)
        if asking is not None:
            asking.on_answer(message)
            self._close_if_unused()

    def _failed(self, error: OSError) -> None:
        self._end(f"[Errno {error.errno}] {error.strerror}")

    def _lost(self) -> None:
        self._end(_RESET)

    def _end(self, why: str) -> None:
        if self._ended:
            return
        self._ended = True
        asking, self._asking = self._asking, {}
        if not self._retired:
            self._on_end()
        if self._channel is not None:
            self._events.forget(self._channel)
        for one in asking.values():
            one.on_lost(why)

    def _close_if_unused(self) -> None:
        if self._retired and not self._asking:
            self.close()
