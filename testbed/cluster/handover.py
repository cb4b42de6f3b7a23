"""How `run` hands its terminal or its three streams to the command in the step.

`run` listens on a socket in the state folder, which every node sees. The step's only task connects,
is given the command together with the caller's own descriptors, and becomes that command. So the
command writes straight to where the caller wanted it: nothing is buffered, merged or prefixed on
the way. With a terminal, the task makes a terminal on its node and hands its other end back.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MESSAGE_BYTES = 1 << 20
_INT_BYTES = array.array("i").itemsize


@dataclass(frozen=True)
class Order:
    """What the task is to become; rows and columns are the terminal's, when one is wanted."""

    command: list[str]
    terminal: bool
    rows: int = 24
    columns: int = 80


def listen(path: Path) -> socket.socket:
    """Return a listening socket at `path`, however long that path is."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = os.open(path.parent, os.O_PATH)
    try:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    server.listen(1)
    return server


def connect(path: Path) -> socket.socket:
    """Connect to the socket at `path`, however long that path is."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = os.open(path.parent, os.O_PATH)
    try:
        client.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    return client


def send(channel: socket.socket, text: str, fds: Sequence[int]) -> None:
    """Send one message with open descriptors."""
    rights = array.array("i", fds)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if fds else []
    channel.sendmsg([text.encode()], ancillary)


def receive(channel: socket.socket) -> tuple[str, list[int]]:
    """Return the next message and its descriptors; an empty text when the other side is gone."""
    data, ancillary, _, _ = channel.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(4 * _INT_BYTES))
    fds = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % _INT_BYTES])
    return data.decode(), list(fds)


def peer_pid(channel: socket.socket) -> int:
    """Return the pid of the other side, as this side's PID namespace numbers it."""
    size = struct.calcsize("3i")
    pid, _, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(pid)


def encode(order: Order) -> str:
    """Return the order as one message."""
    return json.dumps(asdict(order))


def decode(text: str) -> Order:
    """Return the order behind one message."""
    return Order(**json.loads(text))
