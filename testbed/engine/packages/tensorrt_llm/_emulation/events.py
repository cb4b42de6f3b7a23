"""A small event loop for a rank process.

Channels, listeners and timers, in one thread, never spinning.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable

from .wire import Channel, ChannelClosed, Message

OnMessage = Callable[[Channel, Message], None]
OnClosed = Callable[[Channel], None]
Action = Callable[[], None]


class Events:
    """Runs callbacks until :meth:`stop`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Action]] = []
        self._count = itertools.count()
        self._running = False

    def watch(self, channel: Channel, on_message: OnMessage, on_closed: OnClosed) -> None:
        """Call back for every message of a channel, and once when it closes."""

        def ready() -> None:
            try:
                messages = channel.read()
            except ChannelClosed:
                self.forget(channel)
                on_closed(channel)
                return
            for message in messages:
                on_message(channel, message)

        channel.connection.settimeout(None)
        self._selector.register(channel, selectors.EVENT_READ, ready)

    def accept(self, listener: socket.socket, on_message: OnMessage, on_closed: OnClosed) -> None:
        """Take connections of a listener, and watch each."""

        def ready() -> None:
            connection, _ = listener.accept()
            self.watch(Channel(connection), on_message, on_closed)

        self._selector.register(listener, selectors.EVENT_READ, ready)

    def when_readable(self, descriptor: int, action: Action) -> None:
        """Run an action each time a descriptor has data, or has come to its end."""
        self._selector.register(descriptor, selectors.EVENT_READ, action)

    def forget(self, channel: Channel) -> None:
        """Stop watching a channel and close it."""
        try:
            self._selector.unregister(channel)
        except (KeyError, ValueError):
            return
        channel.close()

    def later(self, delay_s: float, action: Action) -> None:
        """Run an action once, some seconds from now."""
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._count), action))

    def run(self) -> None:
        """Run until :meth:`stop` is called."""
        self._running = True
        while self._running:
            for key, _ in self._selector.select(self._until_next_timer()):
                key.data()
            while self._running and self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._running = False

    def _until_next_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
