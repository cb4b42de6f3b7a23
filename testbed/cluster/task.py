"""The only task of `run`'s step: it fetches the command and the caller's streams and becomes it."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from pathlib import Path
from typing import NoReturn

from testbed.cluster import handover
from testbed.cluster.enter import NOT_EXECUTABLE, NOT_FOUND


def become_command(path: Path) -> NoReturn:
    """Connect to `run`'s socket and become the command it orders; never returns."""
    channel = handover.connect(path)
    text, fds = handover.receive(channel)
    if not text:
        os._exit(NOT_EXECUTABLE)
    order = handover.decode(text)
    if order.terminal:
        _take_terminal(channel, order)
    else:
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
            os.close(fd)
    channel.close()
    _execute(order.command)


def _take_terminal(channel: socket.socket, order: handover.Order) -> None:
    """Make a terminal on this node, make it this process's own, and hand its other end back."""
    master, slave = os.openpty()
    size = struct.pack("4H", order.rows, order.columns, 0, 0)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
    handover.send(channel, "terminal", [master])
    os.close(master)
    if os.getsid(0) != os.getpid():
        os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)
    os.close(slave)


def _execute(command: list[str]) -> NoReturn:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"testbed: {command[0]}: {error.strerror}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)
