"""The processes of a run on this node: those with its mark in their environment, and children.

A process is ended by its pid and start time, never by its name.
"""
# pathlib takes as long to import as all the rest of the program together.
# ruff: noqa: PTH116, PTH123, PTH208

import contextlib
import os
import signal
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

MARK = b"QUALIFY_RUN="


class Process(NamedTuple):
    """A process of a run: `task` is the name of its step if it is a step's, `top` the first one."""

    pid: int
    ppid: int
    start: int
    run: str
    task: str
    top: bool
    cmdline: str


def read_bytes(path: str) -> bytes:
    """Return a file's content."""
    with open(path, "rb") as file:
        return file.read()


def stat_of(pid: int) -> Tuple[int, int]:
    """Return parent and start time (clock ticks after boot); ProcessLookupError for the dead.

    A zombie with living threads is not dead: a thread stuck in a driver keeps its memory.
    """
    fields = read_bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X") and int(fields[17]) <= 1:
        raise ProcessLookupError(pid)
    return int(fields[1]), int(fields[19])


def is_alive(pid: int, start: int) -> bool:
    """Return whether a pid is still that of the process that started then."""
    try:
        return stat_of(pid)[1] == start
    except (OSError, ValueError, LookupError):
        return False


def ticks_ago(seconds: float) -> float:
    """Return the moment `seconds` ago as start times are given: in clock ticks after boot."""
    up_s = float(read_bytes("/proc/uptime").split()[0])
    return (up_s - seconds) * os.sysconf("SC_CLK_TCK")


def all_pids() -> List[int]:
    """Return all pids."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def variables_of(pid: int) -> Dict[str, str]:
    """Return a process's environment; empty if it is another user's or not to be read."""
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return {}
        entries = read_bytes(f"/proc/{pid}/environ")
    except OSError:
        return {}
    if MARK not in entries:
        return {}
    pairs = (entry.decode("utf-8", "replace").partition("=") for entry in entries.split(b"\0"))
    return {name: value for name, _, value in pairs}


def run_processes(run: str, known: Iterable[Process] = ()) -> List[Process]:
    """Return the processes of a run (of every run, if it is empty), the eldest first.

    Those that are `known` stay the run's when the parent has died from whom that was known.
    """
    parents: Dict[int, int] = {}
    starts: Dict[int, int] = {}
    marks: Dict[int, Dict[str, str]] = {}
    for pid in all_pids():
        with contextlib.suppress(OSError, ValueError, LookupError):
            parents[pid], starts[pid] = stat_of(pid)
            marks[pid] = variables_of(pid)
    for process in known:
        if starts.get(process.pid) == process.start and not marks[process.pid]:
            step = {"SLURM_STEP_ID": "", "SLURM_JOB_NAME": process.task} if process.task else {}
            marks[process.pid] = dict(step, QUALIFY_RUN=process.run)
    own = {os.getpid(), *ancestors(os.getpid(), parents)}
    found = []
    for pid, parent in parents.items():
        line = [pid, *ancestors(pid, parents)]
        marked = [each for each in line if marks.get(each, {}).get("QUALIFY_RUN")]
        if not marked or os.getpid() in line or pid in own:
            continue
        variables = marks[marked[0]]
        if run in {variables["QUALIFY_RUN"], ""}:
            task = variables.get("SLURM_JOB_NAME", "") if "SLURM_STEP_ID" in variables else ""
            facts = (variables["QUALIFY_RUN"], task, marked == [pid], cmdline_of(pid))
            found.append(Process(pid, parent, starts[pid], *facts))
    return sorted(found, key=lambda each: each.start)


def ancestors(pid: int, parents: Dict[int, int]) -> List[int]:
    """Return the pids of a process's parent, of its parent, and so on."""
    line: List[int] = []
    while parents.get(pid, 0) and parents[pid] not in line:
        pid = parents[pid]
        line.append(pid)
    return line


def cmdline_of(pid: int) -> str:
    """Return the command line, cut; empty if it cannot be read."""
    try:
        words = read_bytes(f"/proc/{pid}/cmdline").replace(b"\0", b" ")
    except OSError:
        return ""
    return words.decode("utf-8", "replace").strip()[:100]


def send(process: Process, number: int) -> bool:
    """Signal a process if it still is the one that was seen: its pid may be another's by now."""
    handle = -1
    try:
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(NotImplementedError):
                handle = os.pidfd_open(process.pid)
        if not is_alive(process.pid, process.start):
            return False
        if handle >= 0:
            signal.pidfd_send_signal(handle, number)
        else:
            os.kill(process.pid, number)
    except OSError:
        return False
    finally:
        if handle >= 0:
            os.close(handle)
    return True


def watched_owner(text: str) -> Optional[Tuple[int, int]]:
    """Return pid and start time of pytest if it is seen from here: on its own node."""
    host, _, identity = text.partition(":")
    pid, _, start = identity.partition(":")
    if host != os.uname().nodename or not pid.isdigit() or not start.isdigit():
        return None
    return (int(pid), int(start)) if is_alive(int(pid), int(start)) else None
