"""A child that its rank has left behind, holding what it inherited; run as a file of its own.

Real ranks have such children: helpers that were forked or started with the devices open, and did
not hear that their rank is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "rank helper"
"""Name of the process, with a blank on purpose: Slurm's tracking by process tree overlooks such a
process, and so it outlives its step. On a site that tracks by cgroup it is the one that hangs in
the driver and cannot be killed."""


def leave_behind(descriptors: Sequence[int], environment: Mapping[str, str]) -> int:
    """Start the child with these descriptors; it is on its own when this returns its pid.

    It takes no stream of the rank along: a step whose output is still open is not at its end.
    """
    ready, say_ready = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(say_ready)],
        env=dict(environment),
        pass_fds=[*descriptors, say_ready],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    child.returncode = 0  # nobody waits for it
    os.close(say_ready)
    with open(ready, "rb") as pipe:  # noqa: PTH123 - a descriptor
        pipe.read()
    return child.pid


def main(say_ready: int) -> None:
    """Take the name, let the rank go on, and stay."""
    Path("/proc/self/comm").write_text(NAME, encoding="utf-8")
    os.close(say_ready)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
