"""A worker killed on purpose: how soon Slurm and discovery know."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.deadline import Deadline, wait_until
from harness.dynamo.worker import Worker
from harness.errors import ProductError
from harness.slurm.client import Slurm
from harness.slurm.words import TaskEnd, describe_ends

NOTICE_S = 60.0
"""Seconds for a killed step to end: KillWait (usually 30 s) and as much again."""


@dataclass(frozen=True)
class KillReport:
    """How a killed worker went; ``at_s`` is the wall clock, the rest are seconds after it.

    ``noticed_s``: srun told of the death; ``unregistered_s``: the instance left discovery. ``None``
    for what did not happen within the budget.
    """

    name: str
    step_id: str
    at_s: float
    noticed_s: float | None
    unregistered_s: float | None
    task_ends: tuple[TaskEnd, ...]

    def __str__(self) -> str:
        return (
            f"{self.name} (step {self.step_id}) was killed; Slurm told of it "
            f"{_after(self.noticed_s)}, its instance left discovery {_after(self.unregistered_s)}; "
            f"{describe_ends(self.task_ends) or 'no task end was reported'}"
        )


def kill_worker(
    slurm: Slurm, worker: Worker, *, registered: Callable[[], bool], budget_s: float
) -> KillReport:
    """Send SIGKILL to all tasks of a worker's step, and watch it go."""
    at_s = time.time()
    notice, lease = Deadline.after(NOTICE_S), Deadline.after(budget_s)
    slurm.signal(worker.step.step_id, "KILL")
    noticed = wait_until(lambda: _dead(worker), notice, poll_s=0.02)
    noticed_s = notice.elapsed_s if noticed else None
    gone = wait_until(lambda: not _still(registered), lease)
    unregistered_s = lease.elapsed_s if gone else None
    wait_until(lambda: worker.step.exit_code is not None, notice)
    worker.step.end_srun()
    worker.step.refresh()
    return KillReport(
        name=worker.name,
        step_id=worker.step.step_id,
        at_s=at_s,
        noticed_s=noticed_s,
        unregistered_s=unregistered_s,
        task_ends=tuple(worker.step.task_ends),
    )


def _dead(worker: Worker) -> bool:
    worker.step.refresh()
    return bool(worker.step.task_ends) or worker.step.exit_code is not None


def _still(registered: Callable[[], bool]) -> bool:
    try:
        return registered()
    except ProductError:  # etcd does not answer: nobody has seen the instance go
        return True


def _after(seconds: float | None) -> str:
    return "never" if seconds is None else f"after {seconds:.1f} s"
