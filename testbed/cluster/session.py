"""One `run`: salloc, the command in its step, and the caller, kept together by one loop."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from testbed.cluster import handover, terminal
from testbed.cluster.hosts import boot_command, enter_command

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Session:
    """Runs salloc on the login host and serves the task that comes back from its step.

    `command_began` tells whether the command was ever started; without it, salloc's code and log
    say why not.
    """

    def __init__(self, *, login_pid: int, command: Sequence[str], socket_path: Path) -> None:
        self.command_began = False
        self._login_pid = login_pid
        self._command = list(command)
        self._socket_path = socket_path
        self._stack = ExitStack()
        self._task_fd: int | None = None
        self._remote: int | None = None
        self._interrupted_by: int | None = None

    def run(self, salloc: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
        """Run to the end; returns the command's exit code, or salloc's when it never began."""
        with self._stack, self._signals() as wakeup:
            server = self._stack.enter_context(handover.listen(self._socket_path))
            self._stack.callback(self._socket_path.unlink, missing_ok=True)
            process = self._start(salloc, environment=environment, log=log)
            exit_fd = self._keep(os.pidfd_open(process.pid))
            self._loop(process, server, wakeup=wakeup, exit_fd=exit_fd)
            code = process.wait()
        return 128 + self._interrupted_by if self._interrupted_by else code

    def _start(
        self, salloc: Sequence[str], *, environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        step = ["srun", "--interactive", "--preserve-env", "--input=none"]
        task = boot_command("task", str(self._socket_path))
        command = [*salloc, *step, *task]
        with log.open("ab") as out:
            return subprocess.Popen(
                enter_command(self._login_pid, command, cwd=Path.cwd(), gently=True),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the command, and passed on by this process.
            )

    def _keep(self, fd: int) -> int:
        self._stack.callback(os.close, fd)
        return fd

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Turn signals into bytes on a descriptor for as long as this runs."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        handled = (*PASSED_ON, signal.SIGWINCH)
        before = {number: signal.signal(number, lambda *_: None) for number in handled}
        old = signal.set_wakeup_fd(write_end)
        try:
            yield read_end
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(read_end)
            os.close(write_end)

    def _loop(
        self, process: subprocess.Popen[bytes], server: socket.socket, *, wakeup: int, exit_fd: int
    ) -> None:
        while True:
            waiting = [wakeup, exit_fd]
            if not self.command_began:
                waiting.append(server.fileno())
            if self._remote is not None:
                waiting += [self._remote, 0]
            ready, _, _ = select.select(waiting, [], [])
            if wakeup in ready:
                for number in os.read(wakeup, 64):
                    self._take_signal(number, process)
            if not self.command_began and server.fileno() in ready:
                self._serve(server)
            self._copy(ready)
            if exit_fd in ready:
                self._drain()
                return

    def _serve(self, server: socket.socket) -> None:
        """Give the task its command and streams; with a terminal, take its node's end of one."""
        channel, _ = server.accept()
        with channel:
            self._task_fd = self._keep(os.pidfd_open(handover.peer_pid(channel)))
            if not terminal.wanted():
                order = handover.Order(self._command, terminal=False)
                handover.send(channel, handover.encode(order), [0, 1, 2])
            else:
                rows, columns = terminal.size()
                order = handover.Order(self._command, terminal=True, rows=rows, columns=columns)
                handover.send(channel, handover.encode(order), [])
                _, fds = handover.receive(channel)
                if fds:
                    self._remote = self._keep(fds[0])
                    self._stack.enter_context(terminal.raw())
        self.command_began = True

    def _take_signal(self, number: int, process: subprocess.Popen[bytes]) -> None:
        if number == signal.SIGWINCH:
            if self._remote is not None:
                terminal.pass_size_on(self._remote)
        elif self._task_fd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._task_fd, number)
        else:
            self._interrupted_by = number
            process.terminate()

    def _copy(self, ready: list[int]) -> None:
        if self._remote is None:
            return
        if self._remote in ready and not terminal.copy_some(self._remote, 1):
            self._remote = None
        elif 0 in ready:
            terminal.copy_some(0, self._remote)

    def _drain(self) -> None:
        """Tell what the command wrote last is still in its terminal when its step has ended."""
        while self._remote is not None:
            ready, _, _ = select.select([self._remote], [], [], 0)
            if not ready or not terminal.copy_some(self._remote, 1):
                return
