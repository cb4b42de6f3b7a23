"""Start the anchor and wait until Slurm says that every node is idle."""

from __future__ import annotations

import select
import subprocess
import time
from pathlib import Path
from typing import IO

from testbed.cluster import procs, slurm
from testbed.cluster.anchor import STARTED_FILE
from testbed.cluster.errors import StartFailed
from testbed.cluster.hosts import boot_command
from testbed.cluster.paths import StateFolder
from testbed.cluster.spec import Spec
from testbed.cluster.tree import Record, Tree, read_tree, write_record

IDLE_DEADLINE_S = 30.0
BECOMING_S = 2.0
LAUNCH_DEADLINE_S = 10.0
POLL_S = 0.05
TAIL_LINES = 15


def launch_anchor(spec: Spec, *, image: Path | None) -> None:
    """Fork the anchor, write its record, then let it go: no anchor is ever without a record."""
    state = spec.state
    (state.root / STARTED_FILE).unlink(missing_ok=True)
    with state.log_of("anchor").open("ab") as log_file:
        launcher = subprocess.Popen(
            boot_command("anchor", str(spec.write())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            start_new_session=True,
        )
    with launcher:
        write_record(state, _record(spec, _read_pid(launcher, state), image=image))
        _pipe(launcher.stdin).write("go\n")


def _read_pid(launcher: subprocess.Popen[str], state: StateFolder) -> int:
    output = _pipe(launcher.stdout)
    readable, _, _ = select.select([output], [], [], LAUNCH_DEADLINE_S)
    answer = output.readline().strip() if readable else ""
    if not answer.isdigit():
        launcher.kill()
        raise StartFailed(_with_tail("the anchor did not start", state.log_of("anchor")))
    return int(answer)


def _pipe(stream: IO[str] | None) -> IO[str]:
    """Return a stream that was asked for as a pipe, and so exists."""
    if stream is None:
        raise ValueError("the stream is not a pipe")
    return stream


def _record(spec: Spec, pid: int, *, image: Path | None) -> Record:
    process = procs.read_process(pid)
    if process is None:
        raise StartFailed(_with_tail("the anchor died at once", spec.state.log_of("anchor")))
    return Record(
        boot_id=procs.boot_id(),
        anchor_pid=process.pid,
        anchor_start=process.start,
        since=time.time(),
        shape=spec.shape,
        image=str(image) if image else None,
    )


def await_idle(state: StateFolder) -> None:
    """Wait until `sinfo` shows every node idle; raises StartFailed, at once when something dies."""
    began = time.monotonic()
    states: dict[str, str] = {}
    complete_at = began
    while time.monotonic() - began < IDLE_DEADLINE_S:
        tree = read_tree(state)
        if tree is None:
            raise StartFailed(_with_tail("the anchor ended", state.log_of("anchor")))
        if not (state.root / STARTED_FILE).exists():
            complete_at = time.monotonic()
        else:
            # A daemon is its init's forked child for some ms before it is itself.
            complete_at = time.monotonic() if not tree.problems() else complete_at
            if time.monotonic() - complete_at > BECOMING_S:
                _check_alive(tree, state)
            states = slurm.node_states(tree.anchor.pid)
            if all(states.get(name) == "idle" for name in tree.record.shape.names):
                return
        time.sleep(POLL_S)
    seen = ", ".join(f"{name} {s}" for name, s in states.items()) or "no answer from slurmctld"
    message = f"not all nodes were idle after {IDLE_DEADLINE_S:.0f} s (sinfo: {seen})"
    raise StartFailed(_with_tail(message, state.log_of("slurmctld")))


def _check_alive(tree: Tree, state: StateFolder) -> None:
    problems = tree.problems()
    if not problems:
        return
    words = problems[0].split()
    daemon = words[0] if "of" not in words or words[0] != "slurmd" else f"slurmd-{words[2]}"
    log_file = state.log_of(daemon)
    if not log_file.exists():
        log_file = state.log_of("anchor")
    raise StartFailed(_with_tail(f"while starting: {'; '.join(problems)}", log_file))


def _with_tail(message: str, log_file: Path) -> str:
    """Return the message with the last lines of the log that tells why."""
    try:
        lines = log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        lines = []
    tail = "\n".join(f"    {line}" for line in lines) or "    (empty)"
    return f"testbed: {message}; all of it was undone. Last lines of {log_file}:\n{tail}"
