"""What the nightly job asks Slurm: whether another job is still there."""

from __future__ import annotations

import subprocess

ASK_TIMEOUT_S = 60.0
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
