"""A small event loop for a rank process.

Channels, listeners, connections under way and timers, in one thread, never spinning.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import selectors
import socket
import time
from collections.abc import Callable

from .wire import Channel, ChannelClosed, Message

OnMessage = Callable[[Channel, Message], None]
OnClosed = Callable[[Channel], None]
Action = Callable[[], None]
_Ready = Callable[[int], None]
"""Takes what a descriptor is ready for, a mask of selectors' EVENT_READ and EVENT_WRITE."""


class Timer:
    """An action that is due later, unless it is cancelled."""

    def __init__(self, action: Action) -> None:
        self._action: Action | None = action

    def cancel(self) -> None:
        """Do not run the action; cancelling twice, or too late, is fine."""
        self._action = None

    def fire(self) -> None:
        """Run the action, once."""
        action, self._action = self._action, None
        if action is not None:
            action()


class Events:
    """Runs callbacks until :meth:`stop`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._running = False

    def watch(self, channel: Channel, on_message: OnMessage, on_closed: OnClosed) -> None:
        """Call back for every message of a channel, and once when it closes.

        A channel with ``wants_to_send`` is also told when it can go on sending.
        """

        def ready(mask: int) -> None:
            try:
                if mask & selectors.EVENT_WRITE:
                    channel.flush()
                messages = channel.read() if mask & selectors.EVENT_READ else []
            except ChannelClosed:
                self.forget(channel)
                on_closed(channel)
                return
            for message in messages:
                on_message(channel, message)

        channel.connection.settimeout(None if channel.waits else 0.0)
        self._selector.register(channel, selectors.EVENT_READ, ready)
        channel.on_pending = lambda: self._write_interest(channel)

    def accept(
        self,
        listener: socket.socket,
        on_message: OnMessage,
        on_closed: OnClosed,
        *,
        kind: Callable[[socket.socket], Channel] = Channel,
    ) -> None:
        """Take connections of a listener, and watch each as a channel of some kind."""
        # Who has connected and gone again must not hold up the others.
        listener.settimeout(0.0)

        def ready(_: int) -> None:
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            self.watch(kind(connection), on_message, on_closed)

        self._selector.register(listener, selectors.EVENT_READ, ready)

    def close_listener(self, listener: socket.socket) -> None:
        """Take no more connections, and give the port back."""
        self._unregister(listener)
        listener.close()

    def dial(
        self,
        host: str,
        port: int,
        on_open: Callable[[socket.socket], None],
        on_failed: Callable[[OSError], None],
    ) -> Action:
        """Connect to an IPv4 address without waiting; return the action that gives up.

        A host name is an error: looking it up would hold up everything else.
        """
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(0.0)

        def ready(_: int) -> None:
            self._unregister(connection)
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                connection.close()
                on_failed(OSError(code, os.strerror(code)))
            else:
                on_open(connection)

        def give_up() -> None:
            if self._unregister(connection):
                connection.close()

        code = connection.connect_ex((host, port)) if _is_address(host) else errno.EINVAL
        if code in (0, errno.EINPROGRESS):
            self._selector.register(connection, selectors.EVENT_WRITE, ready)
        else:
            connection.close()
            self.later(0.0, lambda: on_failed(OSError(code, os.strerror(code))))
        return give_up

    def when_readable(self, descriptor: int, action: Action) -> None:
        """Run an action each time a descriptor has data, or has come to its end."""
        self._selector.register(descriptor, selectors.EVENT_READ, lambda _: action())

    def forget(self, channel: Channel) -> None:
        """Stop watching a channel and close it."""
        if self._unregister(channel):
            channel.close()

    def later(self, delay_s: float, action: Action) -> Timer:
        """Run an action once, some seconds from now."""
        timer = Timer(action)
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._count), timer))
        return timer

    def run(self) -> None:
        """Run until :meth:`stop` is called."""
        self._running = True
        while self._running:
            for key, mask in self._selector.select(self._until_next_timer()):
                # What came before in the same round may have closed this one.
                if self._is_registered(key):
                    key.data(mask)
            while self._running and self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2].fire()

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._running = False

    def _is_registered(self, key: selectors.SelectorKey) -> bool:
        known = self._selector.get_map().get(key.fd)
        return known is not None and known.data is key.data

    def _write_interest(self, channel: Channel) -> None:
        wanted = selectors.EVENT_READ
        if channel.wants_to_send:
            wanted |= selectors.EVENT_WRITE
        try:
            key = self._selector.get_key(channel)
        except (KeyError, ValueError):
            return
        if key.events != wanted:
            self._selector.modify(channel, wanted, key.data)

    def _unregister(self, watched: Channel | socket.socket) -> bool:
        try:
            self._selector.unregister(watched)
        except (KeyError, ValueError):
            return False
        return True

    def _until_next_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None


def _is_address(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return False
    return True
