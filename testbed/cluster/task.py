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
from testbed.cluster.become import NOT_EXECUTABLE, become


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
    become(order.command)


def _take_terminal(channel: socket.socket, order: handover.Order) -> None:
    """Make a terminal on this node, make it this process's own, and hand its other end back."""
    master, slave = os.openpty()
    size = struct.pack("4H", order.rows, order.columns, 0, 0)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
    handover.send(channel, "terminal", [master])
    os.close(master)
    _lead_a_session()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)
    os.close(slave)


def _lead_a_session() -> None:
    """Become a session leader, as the owner of a terminal must be.

    Slurm made this process the leader of a process group, which may not start a session; it joins
    its parent's group first. The group it gets with the session has the same number as before, so
    that Slurm's signals still reach it.
    """
    os.setpgid(0, os.getpgid(os.getppid()))
    os.setsid()
