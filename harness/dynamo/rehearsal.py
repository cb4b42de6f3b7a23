"""A short step with a worker's own srun flags, on all nodes of the plan, before one is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.deadline import Deadline, wait_until
from harness.dynamo.launch import LOGS, SCRIPTS, worker_step
from harness.dynamo.plan import Plan
from harness.errors import LaunchUnfit, SlurmError, StepEnded
from harness.nodes.lines import read_output
from harness.slurm.client import Slurm
from harness.slurm.nodelist import expand, fold
from harness.slurm.srun import StepSpec
from harness.slurm.step import Step

STRAGGLERS_S = 300.0
"""Seconds from the first rank's answer to the last one's.

A node may be slow to unpack the image; that takes minutes for a large one. Until the first answer
the step may take as long as a worker, START_TIMEOUT_S: the image may have to be imported first.
"""

SCRIPT = SCRIPTS / "rehearse.py"


@dataclass(frozen=True)
class RankAnswer:
    """What one rank found; the field names are the script's.

    ``paths``, ``gpus``, ``imex_channels`` and ``versions`` come from the first rank of each node
    alone; ``gpu_devices`` only where the container has no nvidia-smi.
    """

    host: str
    rank: int | None
    tasks: int | None
    pmix_rank: int | None
    pmix_namespace: str | None
    variables: Mapping[str, str | None]
    injected: Mapping[str, str]
    model_folder: str | None
    model_problems: tuple[str, ...] = ()
    shards: int = 0
    expert_bytes: int = 0
    paths: Mapping[str, str] | None = None
    gpus: tuple[str, ...] | None = None
    gpus_said: str = ""
    gpu_devices: int | None = None
    imex_channels: tuple[str, ...] | None = None
    versions: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Rehearsal:
    """What was planned for the step, and the answers of its ranks."""

    spec: StepSpec
    answers: tuple[RankAnswer, ...]
    broken: tuple[str, ...] = ()

    @property
    def first_ranks(self) -> tuple[RankAnswer, ...]:
        """The answers of the first rank of each node."""
        return tuple(each for each in self.answers if each.paths is not None)

    @property
    def expert_bytes(self) -> int:
        """Bytes of all experts of the model, as the node that read most of them counted."""
        by_host: dict[str, int] = {}
        for each in self.answers:
            by_host[each.host] = by_host.get(each.host, 0) + each.expert_bytes
        return max(by_host.values(), default=0)


def rehearsal_step(plan: Plan, *, log_folder: Path, paths: Sequence[str]) -> StepSpec:
    """Return the step: what the first deployment's worker gets, over all nodes with a worker.

    ``paths`` are ``r:``, ``w:`` or ``x:`` with a path in the container.
    """
    context = replace(plan.deployments[0].context, name="preflight", log_folder=log_folder)
    nodes = {node for worker in plan.workers for node in worker.nodes}
    worker = replace(plan.workers[0], name="rehearsal", nodes=expand(fold(nodes)))
    spec = worker_step(context, worker)
    command = ("python3", "-I", "-S", str(SCRIPT), "--ranks-per-node", str(spec.tasks_per_node))
    asked = ("--variables", ",".join(sorted(spec.variables)), "--paths", ",".join(paths))
    model_path = ("--model", context.settings.model_path)
    # Slurm itself ends the step then, should nobody be there to do it.
    limit = (f"--time={math.ceil(context.settings.start_timeout_s / 60) + 1}",)
    return replace(spec, command=(*command, *asked, *model_path), options=limit)


def planned_paths(plan: Plan, others: Sequence[str] = ()) -> tuple[str, ...]:
    """Return every path that the plan names inside the container, with how it is used."""
    settings = plan.deployments[0].context.settings
    scripts = ("start_trtllm_worker.sh", "run_leader.sh", "start_frontend_services.sh")
    model = [settings.model_path] if settings.model_path.startswith("/") else []
    return (
        *(f"x:{SCRIPTS / name}" for name in scripts),
        f"w:{LOGS}",
        *(f"r:{path}" for path in dict.fromkeys([*plan.engine_configs, *others, *model])),
    )


def rehearse(
    slurm: Slurm, spec: StepSpec, *, log_folder: Path, start_timeout_s: float
) -> Rehearsal:
    """Run the step to its end, with its output in ``log_folder``.

    Raises what kept it from being launched (:class:`~harness.errors.ContainerError`,
    :class:`~harness.errors.SlurmError`), or :class:`~harness.errors.LaunchUnfit` for a rank that
    did not end well.
    """
    out, err = log_folder / "rehearsal.out.log", log_folder / "rehearsal.err.log"
    step = slurm.start(spec, stdout=out, stderr=err)
    try:
        _wait_ended(step, start_timeout_s)
    finally:
        if step.exit_code is None:
            if step.step_id:
                slurm.signal(step.step_id, "KILL")
            step.end_srun()
    if step.exit_code != 0:
        death = step.death()
        if isinstance(death, StepEnded):
            raise LaunchUnfit(death.message, hint="does the image have python3?") from death
        raise death
    return parse_rehearsal(spec, read_text(out))


def _wait_ended(step: Step, start_timeout_s: float) -> None:
    """Wait for the step's end; raise :class:`SlurmError` that names the silent nodes."""
    deadline = Deadline.after(start_timeout_s)
    said = wait_until(
        lambda: step.exit_code is not None or step.out.stat().st_size, deadline, poll_s=0.05
    )
    stragglers = Deadline.after(deadline.capped(STRAGGLERS_S if said else 0.0))
    if wait_until(lambda: step.exit_code is not None, stragglers, poll_s=0.05):
        return
    answered = {each.host for each in parse_rehearsal(step.spec, read_text(step.out)).answers}
    silent = [node for node in step.spec.nodes if node not in answered]
    raise SlurmError(
        f"{step.where}: a step that only looks around has not ended after "
        f"{deadline.elapsed_s:.0f} s, no word came from {fold(silent) or 'some ranks'}; "
        f"logs: {step.out}, {step.err}",
        hint="does a file system hang there in the container, or does the image take so long?",
    )


def read_text(path: Path) -> str:
    """Return what a step wrote, whatever it is."""
    return path.read_text(encoding="utf-8", errors="replace")


_ADAPTER = TypeAdapter(RankAnswer)


def parse_rehearsal(spec: StepSpec, text: str) -> Rehearsal:
    """Read the standard output of the step."""
    output = read_output(text)
    answers, broken = [], list(output.broken)
    for document in output.documents:
        try:
            answers.append(_answer(document))
        except ValidationError as wrong:
            broken.append(f"{document['node']} sent something else: {wrong.errors()[0]['msg']}")
    answers.sort(key=lambda each: -1 if each.rank is None else each.rank)
    return Rehearsal(spec, tuple(answers), tuple(broken))


def _answer(document: Mapping[str, Any]) -> RankAnswer:
    return _ADAPTER.validate_python(document)
