"""What runs on the machine, read from /proc: processes, their parents, their namespaces."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process as this machine sees it; `inner_pid` is its number in its own PID namespace."""

    pid: int
    parent: int
    start: int
    state: str
    name: str
    inner_pid: int


def boot_id() -> str:
    """Return what changes with every boot: a record with another one is stale."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def read_process(pid: int) -> Process | None:
    """Return the process with this number, or None when there is none (or only its zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in brackets and may hold brackets and blanks itself: cut at the last one.
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    inner = next((x.split() for x in status.splitlines() if x.startswith("NSpid:")), ["", str(pid)])
    if fields[0] in "ZX":
        return None
    return Process(
        pid=pid,
        parent=int(fields[1]),
        start=int(fields[19]),
        state=fields[0],
        name=head.partition("(")[2],
        inner_pid=int(inner[-1]),
    )


def all_processes() -> list[Process]:
    """Every process of the machine."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = [read_process(pid) for pid in pids]
    return [process for process in found if process is not None]


def is_alive(pid: int, start: int) -> bool:
    """Whether the very process of that number and start time still runs."""
    process = read_process(pid)
    return process is not None and process.start == start


def namespace_of(pid: int, kind: str) -> str:
    """Return the name of a process's namespace (`pid:[40265...]`); "" when it cannot be read."""
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


def kill_and_wait(pid: int, start: int, *, timeout_s: float) -> bool:
    """SIGKILL that very process and wait until it is gone; False when it is not in time."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if not is_alive(pid, start):
            return True
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(timeout_s * 1000))
    except ProcessLookupError:
        return True
    finally:
        os.close(fd)


def wait_for(condition: Callable[[], bool], *, timeout_s: float, every_s: float = 0.02) -> bool:
    """Poll `condition()` until it is true; False when it is not in time."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(every_s)
    return True
