"""What the nightly job, and who submits it, ask of Slurm about jobs as a whole."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

ASK_TIMEOUT_S = 60.0
LOOK_S = 5.0
"""As seldom as a site's slurmctld should be asked by a program that waits for hours."""

UNKNOWN_JOB = "Invalid job id"


def job_is_there(job: str) -> bool:
    """Whether a job waits, runs or is ending; also true where Slurm does not answer."""
    asked = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"]
    try:
        told = subprocess.run(
            asked, capture_output=True, check=False, text=True, timeout=ASK_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    if told.returncode != 0:
        return UNKNOWN_JOB not in told.stderr
    return bool(told.stdout.strip())


def wait_gone(job: str, *, timeout_s: float, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait until a job is gone; tell whether it is. Slurm is asked every 5 s at most."""
    ends_s = time.monotonic() + timeout_s
    while job_is_there(job):
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            return False
        sleep(min(LOOK_S, left_s))
    return True
