"""Clear what runs or lies about of a testbed, whatever its condition."""

from __future__ import annotations

from collections.abc import Callable

from testbed.cluster import procs
from testbed.cluster.anchor import STARTED_FILE
from testbed.cluster.errors import TestbedError
from testbed.cluster.loop import attached
from testbed.cluster.paths import StateFolder
from testbed.cluster.tree import anchor_is_alive, read_record

KILL_DEADLINE_S = 20.0
LOOP_DEADLINE_S = 10.0


def clear(state: StateFolder, *, log: Callable[[str], None]) -> None:
    """Kill the anchor, and with it everything in its namespaces; wait until it is all gone.

    Raises TestbedError when something stays, naming it.
    """
    record = read_record(state)
    if record is None:
        if state.record.exists():
            log(f"testbed: {state.record} cannot be read; taken as stale")
    elif record.boot_id != procs.boot_id():
        log("testbed: what ran here ended with a reboot of the machine; cleared")
    elif not anchor_is_alive(record):
        log("testbed: what ran here is dead; cleared")
    elif not procs.kill_and_wait(record.anchor_pid, record.anchor_start, timeout_s=KILL_DEADLINE_S):
        raise TestbedError(
            f"testbed: process {record.anchor_pid} (the anchor) was killed but did not end within"
            f" {KILL_DEADLINE_S:.0f} s; a process in it hangs in the kernel (`ps -eo pid,stat`)"
        )
    _await_loop_devices(state)
    state.record.unlink(missing_ok=True)
    (state.root / STARTED_FILE).unlink(missing_ok=True)
    for socket_file in state.sockets.glob("*"):
        socket_file.unlink(missing_ok=True)


def _await_loop_devices(state: StateFolder) -> None:
    """Wait for the kernel, which lets go of a mounted image a moment after its last process."""
    if not procs.wait_for(lambda: not attached(state), timeout_s=LOOP_DEADLINE_S):
        raise TestbedError(
            f"testbed: images are still attached to {', '.join(attached(state))} after"
            f" {LOOP_DEADLINE_S:.0f} s; `losetup -a` and /proc/*/mountinfo show by whom"
        )
