"""A process that keeps one core busy, as long as its starter lives: ``python -m ci.busy PID``.

What has little to spare shows races that an idle machine hides.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPINS = 200_000
"""Turns between two looks at the parent: some milliseconds."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class BusyCore:
    """The handle of a process that does nothing, all the time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it is at work."""
        return self._process.poll() is None

    def cpu_s(self) -> float:
        """Return the seconds of processor that it has had; 0 when it has ended."""
        if not self.lives:
            return 0.0
        # The second field is a name that may hold blanks and brackets.
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        user, system = stat[11:13]
        return (int(user) + int(system)) / _TICKS_PER_S

    def end(self) -> None:
        """End it; nothing happens if it has ended."""
        self._process.kill()
        self._process.wait()


@contextmanager
def busy_core() -> Iterator[BusyCore]:
    """Keep a core busy; the process ends with this block, and with this program if it is killed."""
    core = BusyCore(
        subprocess.Popen(
            [sys.executable, "-m", "ci.busy", str(os.getpid())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the program that has the handle
        )
    )
    try:
        yield core
    finally:
        core.end()


def main(argv: list[str]) -> int:
    """Spin at the ordinary priority until the parent is another than it was."""
    parent = int(argv[0])
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    while os.getppid() == parent:
        for _ in range(SPINS):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
