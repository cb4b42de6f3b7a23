"""Run a command in the namespaces of another process, and be to the caller what the command is.

Signals are passed on, the exit code is passed back (128 + n for signal n), and the command ends
when this process does: nothing that was started from outside stays behind in a node.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

from testbed.cluster import syscalls
from testbed.cluster.become import NOT_EXECUTABLE, become

PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def enter_and_run(pid: int, cwd: Path, command: list[str], *, gently: bool = False) -> int:
    """Run `command` in `cwd` as a process of the namespaces of `pid`; returns its exit code.

    `gently`: this process ends with its own parent, and the command is then asked to end (SIGTERM)
    rather than killed. Raises OSError when the namespaces cannot be joined.
    """
    if gently:
        syscalls.die_with_parent(signal.SIGTERM)
    parent = os.getppid()
    # This process itself stays outside: in a namespace it would keep mounts alive after `down`.
    namespaces = _open_namespaces(pid)
    syscalls.setns(namespaces.pop("pid"))
    has_terminal = os.isatty(0)
    child = os.fork()
    if child == 0:
        if not has_terminal:
            os.setpgid(0, 0)
        syscalls.die_with_parent(signal.SIGTERM if gently else signal.SIGKILL)
        for fd in namespaces.values():
            syscalls.setns(fd)
        _execute(cwd, command)
    _pass_on_signals(child, interrupts_too=not has_terminal)
    if gently and os.getppid() != parent:
        os.kill(child, signal.SIGTERM)  # The caller ended before the kernel knew to tell us.
    return _wait(child)


def _open_namespaces(pid: int) -> dict[str, int]:
    """Open all namespaces of `pid` at once, as /proc changes when they are joined."""
    kinds = syscalls.LOGIN_NAMESPACES
    return {kind: os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds}


def _execute(cwd: Path, command: list[str]) -> NoReturn:
    try:
        os.chdir(cwd)
    except OSError as error:
        os.write(2, f"testbed: {cwd} is not seen on the hosts of the testbed: {error}\n".encode())
        os._exit(NOT_EXECUTABLE)
    become(command)


def _pass_on_signals(child: int, *, interrupts_too: bool) -> None:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    # From a terminal the child gets Ctrl-C itself; passing it on would make it two.
    signal.signal(signal.SIGINT, pass_on if interrupts_too else signal.SIG_IGN)


def _wait(child: int) -> int:
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
