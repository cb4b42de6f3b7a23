"""The orderly shutdown of steps: TERM to the tasks, the product's own drain, escalation at last.

Escalation cleans up, is recorded, and is a failure: a worker that has to be killed leaves shared
memory and GPU memory behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from harness.deadline import Deadline, wait_until
from harness.errors import ProductError, SlurmError
from harness.logs import LogLine, read_lines
from harness.releases import STOP_STAGES
from harness.slurm.client import Slurm
from harness.slurm.step import Step
from harness.slurm.words import TaskEnd, describe_ends

_STAGES = [(name, re.compile(pattern)) for name, pattern in STOP_STAGES]

KILL_BUDGET_S = 60.0
"""Seconds for a killed step to leave Slurm's list: KillWait (usually 30 s) and as much again."""


GONE_BUDGET_S = 120.0
"""Seconds for an ended step to leave Slurm's list: 70 were seen after slurmctld had been away."""


@dataclass(frozen=True)
class StopReport:
    """How one step stopped. Times are seconds after the TERM; ``None`` for what did not happen."""

    name: str
    step_id: str
    exit_code: int | None
    task_ends: tuple[TaskEnd, ...]
    budget_s: float
    unregistered_s: float | None
    ended_s: float | None
    escalated: bool
    gone_from_slurm: bool
    stages: tuple[str, ...] = ()
    """What the worker said on its way out, in the order of saying (see ``STOP_STAGES``)."""

    @property
    def in_order(self) -> bool:
        """Whether what it said came in the order in which it has to happen."""
        order = [name for name, _ in STOP_STAGES]
        places = [order.index(name) for name in self.stages]
        return places == sorted(places)

    @property
    def orderly(self) -> bool:
        """Whether every task ended with 0, within the budget, without being killed."""
        return self.exit_code == 0 and not self.escalated and not self.task_ends

    @property
    def left_first(self) -> bool:
        """Whether the instance was seen to leave discovery before the step ended."""
        if self.unregistered_s is None:
            return False
        return self.ended_s is None or self.unregistered_s <= self.ended_s

    def __str__(self) -> str:
        ended = (
            f"ended {self.ended_s:.1f} s after TERM"
            if self.ended_s is not None
            else "did not end by itself, then"
        )
        parts = [f"{self.name} (step {self.step_id}) {ended} with exit code {self.exit_code}"]
        if self.escalated:
            parts.append(f"only when killed, its budget of {self.budget_s:.0f} s was over")
        if self.task_ends:
            parts.append(describe_ends(self.task_ends))
        if self.stages:
            parts.append(f"it said: {', '.join(self.stages)}")
        return "; ".join(parts)


@dataclass
class _Stopping:
    """One step on its way out."""

    step: Step
    registered: Callable[[], bool]
    unregistered_s: float | None = None
    ended_s: float | None = None
    escalated: bool = field(default=False)

    def look(self, deadline: Deadline) -> bool:
        """Note what has happened by now; return whether all has."""
        if self.unregistered_s is None and not self._still_registered():
            self.unregistered_s = deadline.elapsed_s
        if self.ended_s is None and self.step.exit_code is not None:
            self.ended_s = deadline.elapsed_s
        return self.ended_s is not None

    def _still_registered(self) -> bool:
        try:
            return self.registered()
        except ProductError:  # etcd does not answer: nobody has seen the instance go
            return True


def never_registered() -> bool:
    """Stand for a step that has no instance in discovery, such as the frontend's."""
    return False


def stop_steps(
    slurm: Slurm,
    steps: Sequence[tuple[Step, Callable[[], bool]]],
    *,
    budget_s: float,
    signal: str = "TERM",
) -> list[StopReport]:
    """Stop steps together and report on each; ``registered`` beside a step says if it still is.

    Steps that have already ended are reported as they are.
    """
    stopping = [_Stopping(step, registered) for step, registered in steps]
    for each in stopping:
        if each.step.exit_code is None:
            _signal(slurm, each.step, signal)
    deadline = Deadline.after(budget_s)

    def look() -> bool:
        ended = [each.look(deadline) for each in stopping]
        return all(ended)

    wait_until(look, deadline)
    _escalate(slurm, [each for each in stopping if each.ended_s is None])
    return [_report(slurm, each, budget_s) for each in stopping]


def kill_steps(slurm: Slurm, steps: Iterable[Step]) -> None:
    """End steps by SIGKILL and wait for their end: the way out of a failed deployment."""
    _escalate(
        slurm, [_Stopping(step, never_registered) for step in steps if step.exit_code is None]
    )


def _signal(slurm: Slurm, step: Step, name: str) -> bool:
    """Send a signal to a step, also to one whose id only Slurm knows yet; return if that worked.

    One step that cannot be signalled must not keep the others from it.
    """
    try:
        step_id = step.step_id or _id_by_name(slurm, step.name)
        if step_id:
            slurm.signal(step_id, name)
    except SlurmError:
        return False
    return bool(step_id)


def _id_by_name(slurm: Slurm, name: str) -> str:
    return next((row.step_id for row in slurm.steps() if row.name == name), "")


def _escalate(slurm: Slurm, stopping: Sequence[_Stopping]) -> None:
    killed = []
    for each in stopping:
        each.escalated = True
        reached = _signal(slurm, each.step, "KILL")
        killed.append((each.step, Deadline.after(KILL_BUDGET_S if reached else 0)))
    for step, deadline in killed:
        wait_until(lambda step=step: step.exit_code is not None, deadline)  # type: ignore[misc]
        step.end_srun()


def _report(slurm: Slurm, each: _Stopping, budget_s: float) -> StopReport:
    step = each.step
    gone = slurm.wait_gone(step.step_id, Deadline.after(GONE_BUDGET_S)) if step.step_id else True
    step.refresh()
    return StopReport(
        name=step.name,
        step_id=step.step_id,
        exit_code=step.exit_code,
        task_ends=tuple(step.task_ends),
        budget_s=budget_s,
        unregistered_s=each.unregistered_s,
        ended_s=each.ended_s,
        escalated=each.escalated,
        gone_from_slurm=gone,
        stages=stages_of(read_lines(step.err)),
    )


def stages_of(lines: Iterable[LogLine]) -> tuple[str, ...]:
    """Return the stages of a stop that a log tells of, each at its first mention."""
    seen: dict[str, None] = {}
    for line in lines:
        for name, pattern in _STAGES:
            if pattern.search(line.text):
                seen.setdefault(name)
    return tuple(seen)
