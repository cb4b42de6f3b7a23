"""The process that keeps a core busy: it is at work, and it stays no longer than its starter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ci.busy import busy_core
from harness.deadline import Deadline, wait_until

ROOT = Path(__file__).resolve().parents[3]
STARTER = """
import time
from ci.busy import busy_core
with busy_core() as core:
    print(core.pid, flush=True)
    time.sleep(60)
"""


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_core_is_busy_until_the_block_ends() -> None:
    with busy_core() as core:
        at_work = wait_until(lambda: core.cpu_s() > 0.2, Deadline.after(10))
        priority = os.getpriority(os.PRIO_PROCESS, core.pid)

    assert at_work
    assert priority == 0
    assert not core.lives
    assert not _runs(core.pid)


def test_a_starter_that_is_killed_leaves_no_busy_process() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.communicate()

    assert wait_until(lambda: not _runs(pid), Deadline.after(10))
