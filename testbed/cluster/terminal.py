"""The caller's terminal while a command on a node has a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 1 << 16


def wanted() -> bool:
    """Whether the command should get a terminal: input and output both are one."""
    return os.isatty(0) and os.isatty(1)


def size() -> tuple[int, int]:
    """Rows and columns of the caller's terminal."""
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))
    return (rows or 24, columns or 80)


def pass_size_on(remote: int) -> None:
    """Tell the node's terminal the size of the caller's."""
    rows, columns = size()
    with suppress(OSError):
        fcntl.ioctl(remote, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))


@contextmanager
def raw() -> Iterator[None]:
    """Hand every key through, Ctrl-C included; the terminal is put right again at the end."""
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)  # What was typed ahead is the command's.
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def copy_some(source: int, target: int) -> bool:
    """Copy what is there to be read; False when the source has ended."""
    try:
        data = os.read(source, CHUNK_BYTES)
    except OSError:  # EIO: the last process of the node's terminal has gone.
        return False
    rest = data
    while rest:
        rest = rest[os.write(target, rest) :]
    return bool(data)
