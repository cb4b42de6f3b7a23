"""The steps of a run, as Slurm lists them and stops them."""
# Python 3.6 has no `capture_output`.
# ruff: noqa: UP022

import argparse
import contextlib
import os
import subprocess
from typing import Dict, Set

SERVICES = "-frontend"  # how the name of the services' step ends
SERVICES_SIGNAL = "USR1"  # start_frontend_services.sh says why it is not TERM
SLURM_CALL_S = 15.0  # Slurm's own message timeout is 10 s


class Steps:
    """The run's steps, as Slurm lists them and stops them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.squeue, self.scancel = options.squeue, options.scancel
        self.job, self.prefix = options.job, f"qualify-{options.run}-"
        self.own = f"{options.job}.{os.environ.get('SLURM_STEP_ID', '')}"
        self.asked: Set[str] = set()

    def listed(self) -> Dict[str, str]:
        """Return names by id, without guards; raises OSError if Slurm does not answer."""
        form = ["--steps", "--jobs=" + self.job, "--noheader", "--format=%i|%N|%u|%S|%j"]
        rows = [line.strip().split("|", 4) for line in self.call(self.squeue, *form).splitlines()]
        ours = {row[0]: row[4] for row in rows if len(row) == 5 and row[4].startswith(self.prefix)}
        return {step: name for step, name in ours.items() if not name.endswith("-guard")}

    def signal(self, name: str, *steps: str) -> None:
        """Send a signal to steps; one that has just ended is no error."""
        for step in steps:  # one call each: the first that has ended would keep the others from it
            with contextlib.suppress(OSError):
                self.call(self.scancel, "--signal=" + name, step)

    @staticmethod
    def call(*words: str) -> str:
        """Return what a program of Slurm's said; raises OSError when it failed or hangs."""
        try:
            done = subprocess.run(
                words,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=SLURM_CALL_S,
            )
        except subprocess.TimeoutExpired as slow:
            raise OSError(str(slow)) from slow
        if done.returncode != 0:
            raise OSError(done.stderr.decode("utf-8", "replace").strip()[-200:])
        return done.stdout.decode("utf-8", "replace")
