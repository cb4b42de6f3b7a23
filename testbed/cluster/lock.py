"""One `up` or `down` at a time for each state folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.cluster.errors import TestbedError
from testbed.cluster.paths import StateFolder
from testbed.cluster.procs import wait_for

LOCK_DEADLINE_S = 180.0


@contextmanager
def locked(state: StateFolder, *, purpose: str) -> Iterator[None]:
    """Hold the state folder's lock; raises TestbedError, naming the holder, when it stays taken."""
    state.root.mkdir(parents=True, exist_ok=True)
    fd = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not wait_for(lambda: _try_lock(fd), timeout_s=LOCK_DEADLINE_S, every_s=0.1):
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "unknown"
            raise TestbedError(
                f"testbed: {state.lock} is held by another testbed command ({holder})"
                f" for more than {LOCK_DEADLINE_S:.0f} s; let it end, or end it"
            )
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{purpose}, pid {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
