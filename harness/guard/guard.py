"""The run's guard as pytest holds it: started once, dismissed when the run has ended in order.

What the guards do when they are not dismissed stands in ``program/guard.py``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from harness.deadline import Deadline, wait_until
from harness.errors import SlurmError
from harness.guard.owner import write_owner
from harness.guard.step import guard_options, guard_step, program_line
from harness.rundir import RunDirectory
from harness.slurm.client import Slurm
from harness.slurm.step import Step

DISMISSED_S = 10.0
"""Seconds for dismissed guards to be gone: a tenth of one is usual."""

STEPS_GONE_S = 5.0
"""Seconds for steps that have ended to leave Slurm's list, on a busy controller."""

ORPHANS_S = 2.0
"""Seconds for a process that has outlived its step to go by itself: it has had its chance."""

KILL_WAIT_S = 30.0
"""Slurm's default, where it does not tell."""


class RunGuard:
    """Guards on all nodes of a run, at the other end of a pipe that this process alone holds.

    When this process ends, however that happens, the pipe ends, and the guards act.
    """

    def __init__(
        self,
        slurm: Slurm,
        directory: RunDirectory,
        *,
        nodes: Sequence[str],
        drain_s: float,
        account: str,
    ) -> None:
        self._slurm = slurm
        self._directory = directory
        self._nodes = tuple(nodes)
        self._drain_s = drain_s
        self._account = account
        self._step: Step | None = None
        self._writer = -1

    @property
    def name(self) -> str:
        """The name of the guards' step."""
        return f"qualify-{self._directory.run_id}-guard"

    def post(self) -> None:
        """Start the guards, unless they stand; they are not waited for.

        Guards whose srun somebody killed have been killed with it, and are started anew.
        """
        if self._step is not None and self._step.exit_code is None:
            return
        self._close_pipe()
        reader, self._writer = os.pipe()  # no program that is started later inherits either end
        logs = self._directory.path / "logs"
        samples = self._directory.path / "memory" / "samples"
        samples.mkdir(parents=True, exist_ok=True)
        spec = guard_step(
            self.name,
            (
                *self._options(),
                f"--owner={write_owner(self._directory)}",
                f"--log-folder={logs}",
                f"--memory-folder={samples}",
            ),
            job_id=self._slurm.job_id,
            nodes=self._nodes,
            account=self._account,
        )
        try:
            self._step = self._slurm.start(
                spec,
                stdout=logs / "guard.out.log",
                stderr=logs / "guard.err.log",
                stdin=reader,
            )
        finally:
            os.close(reader)
        self._send(program_line())
        self._directory.event("guard", {"name": spec.name, "nodes": spec.nodes})

    def dismiss(self) -> None:
        """Let the guards go if nothing of the run is left in Slurm; if something is, they act."""
        if self._step is None:
            return
        if wait_until(self._nothing_left, Deadline.after(STEPS_GONE_S)):
            self._send(b"done\n")
        self._close_pipe()
        step, deadline = self._step, Deadline.after(DISMISSED_S)
        wait_until(lambda: step.exit_code is not None, deadline)

    def end_orphans(self) -> None:
        """End processes of the run that have outlived their steps, on all nodes, at once."""
        name = f"qualify-{self._directory.run_id}-orphans-guard"
        spec = guard_step(
            name,
            (*self._options(drain_s=ORPHANS_S), "--now"),
            job_id=self._slurm.job_id,
            nodes=self._nodes,
            account=self._account,
        )
        timeout_s = ORPHANS_S + DISMISSED_S + KILL_WAIT_S
        done = self._slurm.run_step(spec, timeout_s=timeout_s, stdin=program_line().decode())
        self._directory.event("orphans ended", {"exit": done.returncode, "said": done.stdout})

    def _options(self, *, drain_s: float | None = None) -> tuple[str, ...]:
        return guard_options(
            self._directory.run_id,
            job_id=self._slurm.job_id,
            head=self._nodes[0],
            drain_s=self._drain_s if drain_s is None else drain_s,
            kill_wait_s=self._kill_wait_s(),
            programs=self._slurm.node_programs,
        )

    def _kill_wait_s(self) -> float:
        try:
            return self._slurm.config_seconds("KillWait") or KILL_WAIT_S
        except SlurmError:
            return KILL_WAIT_S

    def _nothing_left(self) -> bool:
        prefix = f"qualify-{self._directory.run_id}-"
        try:
            names = [row.name for row in self._slurm.steps()]
        except SlurmError:
            return False
        return all(name.endswith("-guard") or not name.startswith(prefix) for name in names)

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # srun is gone, and the guards with it
            os.write(self._writer, line)

    def _close_pipe(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
