"""Messages between the processes of one worker.

JSON in frames over TCP, after a shared key was shown.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

_HEAD = struct.Struct("!I")
_LARGEST_FRAME = 64 * 1024 * 1024
_CHUNK = 1 << 16


class ChannelClosed(Exception):
    """The other side is gone."""


class Channel:
    """One connection. Blocking when used with :meth:`receive`, else fed by an event loop."""

    waits = True
    """Whether sending may wait for the other side."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.on_pending: Callable[[], None] = lambda: None
        self._buffer = bytearray()

    @property
    def wants_to_send(self) -> bool:
        """Whether something is left to send."""
        return False

    def fileno(self) -> int:
        """Let selectors watch this channel."""
        return self.connection.fileno()

    def send(self, message: Message) -> None:
        """Send one message; raise :class:`ChannelClosed` when nobody can take it."""
        try:
            self.connection.sendall(_frame(message))
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def flush(self) -> None:
        """Go on sending what could not be sent at once: nothing, in a channel that waits."""

    def read(self) -> list[Message]:
        """Read what has arrived, waiting for at least some.

        Raise :class:`ChannelClosed` at the end.
        """
        try:
            chunk = self.connection.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return []
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        if not chunk:
            raise ChannelClosed("connection closed")
        self._buffer += chunk
        return list(self._frames())

    def receive(self, timeout_s: float) -> Message:
        """Wait for exactly one message (more must not be under way).

        Raise TimeoutError or ChannelClosed.
        """
        end = time.monotonic() + timeout_s
        while True:
            self.connection.settimeout(max(0.001, end - time.monotonic()))
            messages = self.read()
            if messages:
                self.connection.settimeout(None)
                return messages[0]
            if time.monotonic() > end:
                raise TimeoutError

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        with contextlib.suppress(OSError):
            self.connection.close()

    def _frames(self) -> Any:
        while len(self._buffer) >= _HEAD.size:
            (length,) = _HEAD.unpack_from(self._buffer)
            if length > _LARGEST_FRAME:
                raise ChannelClosed(f"a frame of {length} bytes: not one of ours")
            if len(self._buffer) < _HEAD.size + length:
                return
            body = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            yield _message(body)


class PatientChannel(Channel):
    """A channel that never waits: what the other side does not take yet is sent later."""

    waits = False

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        connection.settimeout(0.0)
        self._unsent = bytearray()

    @property
    def wants_to_send(self) -> bool:
        """Whether something is left to send."""
        return bool(self._unsent)

    def send(self, message: Message) -> None:
        """Send one message, now or when there is room; raise :class:`ChannelClosed`."""
        self._unsent += _frame(message)
        self.flush()

    def flush(self) -> None:
        """Send what the connection takes; raise :class:`ChannelClosed` when it is gone."""
        try:
            while self._unsent:
                del self._unsent[: self.connection.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        self.on_pending()


def _frame(message: Message) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    return _HEAD.pack(len(body)) + body


def _message(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except ValueError as error:
        raise ChannelClosed("a frame that is no message: not one of ours") from error
    if not isinstance(message, dict):
        raise ChannelClosed("a frame that is no message: not one of ours")
    return message


def listen(host: str, port: int) -> socket.socket:
    """Listen; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(256)
    return listener


def connect(hosts: list[str], port: int, *, key: str, hello: Message, timeout_s: float) -> Channel:
    """Connect to the first address that answers, show the key, say hello.

    Tries again until the time is over: the other side may still be starting. Raise TimeoutError.
    """
    end = time.monotonic() + timeout_s
    while True:
        for host in hosts:
            with contextlib.suppress(OSError):
                connection = socket.create_connection((host, port), timeout=min(5.0, timeout_s))
                connection.settimeout(None)
                channel = Channel(connection)
                channel.send({"key": key, **hello})
                return channel
        if time.monotonic() > end:
            raise TimeoutError(
                f"nobody answers on port {port} of {', '.join(hosts)} after {timeout_s:.0f} s"
            )
        time.sleep(0.02)


def key_fits(message: Message, key: str) -> bool:
    """Whether a first message shows the key of this worker."""
    return bool(key) and message.get("key") == key


def parse_address(address: str) -> tuple[str, int]:
    """Split ``tcp://127.0.0.1:10012``; raise ValueError for anything else."""
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not host or not port.isdigit():
        raise ValueError(f"expected tcp://HOST:PORT, got {address!r}")
    return host, int(port)
