"""HTTP/1.1 with one client: its requests, answers in one piece or as a stream, and its going."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from tests.harness.serving.misbehaving.reply import Refused, Reply

BODY_LIMIT_BYTES = 8 << 20
HEAD_LIMIT_BYTES = 64 << 10

_PIECE_BYTES = 1 << 20
_LOOK_S = 0.02
"""How often somebody who waits looks whether the client is still there."""


@dataclass(frozen=True)
class Request:
    """One request; header names are in small letters, ``path`` has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_last(self) -> bool:
        """Whether the client wants the connection closed after the answer."""
        return self.headers.get("connection", "").lower() == "close"


class ClientGoneError(Exception):
    """The client has closed the connection, or was cut off."""


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> Request | None:
        """Return the next request, still without its body; ``None`` when there is no more."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError as long:
            raise Refused(431, "the head is too large", code="head_too_large") from long
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        words = first.split()
        if len(words) != 3:
            raise Refused(400, "the request line is malformed", code="invalid_http")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Request(words[0], words[1].partition("?")[0], headers, b"")

    async def read_body(self, request: Request) -> bytes:
        """Return the request's body; one that is too large is read, so that its sender listens."""
        length = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers or not length.isdecimal():
            raise Refused(411, "content-length: a number is required", code="length_required")
        if request.headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = int(length)
        if size <= BODY_LIMIT_BYTES:
            return await self._reader.readexactly(size)
        while size > 0:
            size -= len(await self._reader.readexactly(min(size, _PIECE_BYTES)))
        limit = f"a body has at most {BODY_LIMIT_BYTES} bytes"
        raise Refused(413, limit, code="body_too_large")

    async def send(self, reply: Reply) -> None:
        """Send an answer in one piece."""
        length = ("content-length", str(len(reply.body)))
        head = _head(reply.status, reply.content_type, (length, *reply.headers))
        self._writer.write(head + reply.body)
        await self._writer.drain()

    def begin_stream(self, content_type: str) -> None:
        """Begin a body of unknown length."""
        headers = (("cache-control", "no-cache"), ("transfer-encoding", "chunked"))
        self._writer.write(_head(200, content_type, headers))

    async def send_block(self, data: bytes) -> None:
        """Send a piece of the stream; wait while the client does not read."""
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def end_stream(self) -> None:
        """End the stream as HTTP defines it."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def until(self, due_s: float) -> None:
        """Wait for a moment on the loop's clock, at most until the client goes; others run."""
        loop = asyncio.get_running_loop()
        while True:
            left_s = due_s - loop.time()
            await asyncio.sleep(min(max(left_s, 0.0), _LOOK_S))
            if self._reader.at_eof() or self._writer.is_closing():
                raise ClientGoneError
            if left_s <= _LOOK_S:
                return

    def reset(self) -> None:
        """Cut the connection so that the client sees a reset, not an end."""
        ours: socket.socket = self._writer.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def _head(status: int, content_type: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"content-type: {content_type}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
