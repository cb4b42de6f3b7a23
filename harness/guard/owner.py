"""Who owns a run: its pytest, by host, pid and start time. A pid alone may be another's later."""

from __future__ import annotations

import os
from pathlib import Path

from harness.rundir import RunDirectory

OWNER_FILE = "owner"


def this_process() -> str:
    """Return this process as ``HOST:PID:START``, the start in clock ticks after boot."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return f"{os.uname().nodename}:{os.getpid()}:{fields[19]}"


def write_owner(directory: RunDirectory) -> str:
    """Record this process as the run's owner in the run directory, and return it."""
    owner = this_process()
    directory.write_text(OWNER_FILE, f"{directory.run_id} {owner}\n")
    return owner


def read_owner(run_directory: Path) -> tuple[str, str]:
    """Return the run id and the owner that a run directory names; empty texts if it names none."""
    try:
        words = (run_directory / OWNER_FILE).read_text(encoding="utf-8").split()
    except OSError:
        words = []
    return (words[0], words[1]) if len(words) == 2 else ("", "")


def host_of(owner: str) -> str:
    """Return the host that an owner is on."""
    return owner.partition(":")[0]


def lives_here(owner: str) -> bool:
    """Whether an owner is a living process of this host."""
    host, pid, start = owner.split(":")
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return host == os.uname().nodename and stat.rpartition(")")[2].split()[19] == start
