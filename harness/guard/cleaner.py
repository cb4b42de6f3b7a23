"""Finding and ending by hand what runs have left in a job; the guards' program does the work."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import InfraError
from harness.guard.leftovers import Look, read_look
from harness.guard.owner import OWNER_FILE, host_of, lives_here, read_owner
from harness.guard.step import guard_options, guard_step, program_line
from harness.slurm.client import Slurm
from harness.slurm.words import fault_words

LOOK_S = 60.0
END_S = 30.0
"""Seconds beyond the drain for the guards to start, to kill and to end."""

KILL_WAIT_S = 30.0


class Cleaner:
    """Looks for what runs have on the nodes of a job, and ends it."""

    def __init__(self, slurm: Slurm, *, nodes: Sequence[str], head: str, runs_dir: Path) -> None:
        self._slurm = slurm
        self._nodes = tuple(nodes)
        self._head = head
        self._runs_dir = runs_dir

    def look(self) -> Look:
        """Return what is there now of any run."""
        owners = self.owners()
        options = ("--look", f"--owner={','.join(owners.values())}") if owners else ("--look",)
        text = self._guards("qualify-any-look-guard", options, timeout_s=LOOK_S)
        return read_look(text, self._slurm.steps(), nodes=self._nodes)

    def owners(self) -> dict[str, str]:
        """Return the recorded owners of the job's runs whose directories are known, by run id."""
        recorded = dict(read_owner(path.parent) for path in self._runs_dir.glob(f"*/{OWNER_FILE}"))
        job = f"-{self._slurm.job_id}-"
        return {run_id: owner for run_id, owner in recorded.items() if job in run_id}

    def alive(self, run_id: str, look: Look) -> str:
        """Return why a run has to be taken for alive; empty if it is dead."""
        owner = self.owners().get(run_id, "")
        if run_id in look.guarded:
            return "its guards are posted: its pytest lives, or they are about to clean"
        if owner and (owner in look.owners or lives_here(owner)):
            return f"its pytest lives ({owner})"
        if owner and host_of(owner) not in {*self._nodes, os.uname().nodename}:
            return f"its pytest ({owner}) cannot be seen from here; --run ends it all the same"
        return ""

    def clean(self, run_id: str, *, drain_s: float) -> None:
        """End what one run has: steps and processes with TERM, then KILL, and its files."""
        self._end_guards(run_id)
        options = guard_options(
            run_id,
            job_id=self._slurm.job_id,
            head=self._head,
            drain_s=drain_s,
            kill_wait_s=KILL_WAIT_S,
            programs=self._slurm.node_programs,
        )
        name = f"qualify-{run_id}-clean-guard"
        self._guards(name, (*options, "--now"), timeout_s=drain_s + END_S)

    def _end_guards(self, run_id: str) -> None:
        """End guards of before: they would begin to act, too, when their pytest is gone."""
        for row in self._slurm.steps():
            if row.name == f"qualify-{run_id}-guard":
                self._slurm.signal(row.step_id, "KILL")
                self._slurm.wait_gone(row.step_id, Deadline.after(END_S))

    def _guards(self, name: str, options: Collection[str], *, timeout_s: float) -> str:
        spec = guard_step(
            name, tuple(options), job_id=self._slurm.job_id, nodes=self._nodes, account=""
        )
        done = self._slurm.run_step(spec, timeout_s=timeout_s, stdin=program_line().decode())
        if done.returncode not in {0, 1}:
            raise InfraError(
                f"step {name} ended with {done.returncode}: {fault_words(done.stderr)}"
            )
        return done.stdout
