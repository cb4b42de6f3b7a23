"""What the nightly job, and who submits it, ask of Slurm about jobs as a whole."""

from __future__ import annotations

import subprocess
import time

ASK_TIMEOUT_S = 60.0
FIRST_LOOK_S = 0.25
LOOK_S = 5.0
"""How often slurmctld is asked about a job whose end is waited for: less and less."""

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


def wait_gone(job: str, *, timeout_s: float) -> bool:
    """Wait until a job is gone; tell whether it is."""
    ends_s, pause_s = time.monotonic() + timeout_s, FIRST_LOOK_S
    while job_is_there(job):
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, LOOK_S)
    return True
