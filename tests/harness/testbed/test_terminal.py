"""With a terminal, `run` gives the command one of its own on the node."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

import pytest

from testbed.cluster.api import Cluster
from testbed.cluster.paths import PROJECT_ROOT

pytestmark = pytest.mark.testbed
DEADLINE_S = 20
CTRL_C, CTRL_D = b"\x03", b"\x04"


class Typist:
    """Types at a terminal in which `python -m testbed WORDS...` runs."""

    def __init__(self, cluster: Cluster, *words: str) -> None:
        self.seen = b""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(PROJECT_ROOT)
            command = [sys.executable, "-m", "testbed", *words]
            os.execve(sys.executable, command, cluster.environment())  # noqa: S606 - no shell
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("4H", 33, 101, 0, 0))

    def until(self, text: bytes) -> None:
        """Read until `text` has been seen."""
        until = time.monotonic() + DEADLINE_S
        while text not in self.seen:
            assert time.monotonic() < until, self.seen
            self._read()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._terminal, keys)

    def end(self) -> int:
        """Read to the end; return the exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self._pid, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], DEADLINE_S)
        assert ready, f"nothing came for {DEADLINE_S} s after {self.seen!r}"
        try:
            data = os.read(self._terminal, 4096)
        except OSError:
            return False
        self.seen += data
        return bool(data)


def test_the_command_has_a_terminal_of_the_callers_size(cluster: Cluster) -> None:
    typist = Typist(cluster, "run", "--", "sh", "-c", "echo ready; read line; tty; stty size")
    typist.until(b"ready")
    typist.type(b"\r")

    assert typist.end() == 0
    assert b"/dev/pts/" in typist.seen
    assert b"33 101" in typist.seen


def test_ctrl_c_interrupts_the_command_once(cluster: Cluster) -> None:
    trap = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.1; done"
    typist = Typist(cluster, "run", "--", "bash", "-c", trap)
    typist.until(b"ready")
    typist.type(CTRL_C)

    assert typist.end() == 9
    assert typist.seen.count(b"interrupted") == 1


def test_a_shell_has_job_control_and_its_own_exit_code(cluster: Cluster) -> None:
    typist = Typist(cluster, "shell")
    typist.type(b"sleep 100 &\r")
    typist.type(b"echo job=$SLURM_JOB_ID; kill %1; exit 5\r")

    assert typist.end() == 5
    assert b"node1" in typist.seen
