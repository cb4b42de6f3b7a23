"""The plan of a run, pure: which deployments, on which nodes, by which srun lines.

Whatever is impossible ends here, before any node is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.dynamo.launch import LaunchContext, frontend_step, worker_step
from harness.dynamo.topologies import topology
from harness.settings import Settings
from harness.slurm.nodelist import expand, fold
from harness.slurm.srun import StepSpec
from harness.topology import Placement, WorkerPlacement, place

FRONTEND_BUDGET_S = 60
"""Seconds for etcd, NATS and the frontend to serve; some 5 s are usual."""


@dataclass(frozen=True)
class DeploymentPlan:
    """One deployment: where, and the steps it consists of when scaled to its largest."""

    context: LaunchContext
    placement: Placement

    @property
    def name(self) -> str:
        """The topology's name."""
        return self.context.name

    def again(self, generation: int) -> DeploymentPlan:
        """Return the same deployment under another name: for a later time on the same nodes.

        Generation 1 is the second time.
        """
        name = f"{self.name}-again" if generation == 1 else f"{self.name}-again{generation}"
        log_folder = self.context.log_folder.with_name(name)
        return replace(self, context=replace(self.context, name=name, log_folder=log_folder))

    @property
    def steps(self) -> tuple[StepSpec, ...]:
        """Frontend first, then every worker."""
        workers = (worker_step(self.context, worker) for worker in self.placement.workers)
        return (self.frontend_step, *workers)

    @property
    def frontend_step(self) -> StepSpec:
        """The step of etcd, NATS and the frontend."""
        return frontend_step(self.context, replicas=self.placement.topology.most_replicas)

    @property
    def budget_s(self) -> float:
        """Seconds the deployment may take to be ready and to stop again."""
        settings = self.context.settings
        loads = len(self.placement.initial) * settings.start_timeout_s
        return FRONTEND_BUDGET_S + loads + settings.stop_budget_s


@dataclass(frozen=True)
class Plan:
    """All deployments of a run, in the order in which they are made."""

    nodes: tuple[str, ...]
    deployments: tuple[DeploymentPlan, ...]

    @property
    def workers(self) -> tuple[WorkerPlacement, ...]:
        """The workers of all deployments, at their largest."""
        return tuple(worker for each in self.deployments for worker in each.placement.workers)

    @property
    def engine_configs(self) -> tuple[str, ...]:
        """The engine configs of all workers, each once, as paths inside the container."""
        return tuple(dict.fromkeys(worker.engine_config for worker in self.workers))

    def deployment(self, name: str) -> DeploymentPlan:
        """Return the plan of one topology."""
        return next(each for each in self.deployments if each.name == name)

    def rendered(self) -> str:
        """Return the plan as a person reads it: placements, then srun lines ready to be pasted."""
        nodes = f"nodes: {fold(self.nodes)} ({len(self.nodes)})"
        return "\n\n".join([nodes, *map(_render, self.deployments)]) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain values for the run directory."""
        return {
            "nodes": list(self.nodes),
            "deployments": [
                {
                    "name": each.name,
                    "head_node": each.placement.head_node,
                    "budget_s": each.budget_s,
                    "workers": [
                        {
                            "name": worker.name,
                            "nodes": list(worker.nodes),
                            "ranks": worker.world_size,
                        }
                        for worker in each.placement.workers
                    ],
                    "steps": [
                        {"name": step.name, "argv": step.argv(), "variables": dict(step.variables)}
                        for step in each.steps
                    ],
                }
                for each in self.deployments
            ],
        }


def make_plan(
    names: Sequence[str],
    settings: Settings,
    *,
    nodes: Sequence[str],
    head_address: str,
    run_id: str,
    job_id: str,
    log_root: Path,
) -> Plan:
    """Plan the named topologies on ``nodes``, the head node first. Raises :class:`PlanError`."""
    # srun numbers ranks along Slurm's own order of the nodes: a head node within it stays there.
    in_order = expand(fold(nodes))
    deployments = []
    for name in names:
        placement = place(topology(name, settings), in_order, head_node=nodes[0])
        context = LaunchContext(
            settings=settings,
            name=name,
            run_id=run_id,
            job_id=job_id,
            head_node=nodes[0],
            head_address=head_address,
            log_folder=log_root / name,
        )
        deployments.append(DeploymentPlan(context, placement))
    return Plan(tuple(nodes), tuple(deployments))


def _render(each: DeploymentPlan) -> str:
    head = f"deployment {each.name}: head node {each.placement.head_node}"
    lines = [
        f"{head}, at most {each.budget_s:.0f} s to start and stop",
        *map(_render_worker, each.placement.workers),
    ]
    return "\n\n".join(["\n".join(lines), *(step.rendered() for step in each.steps)])


def _render_worker(worker: WorkerPlacement) -> str:
    shape = f"{worker.role}, {fold(worker.nodes)}, {worker.world_size} ranks"
    return f"  {worker.name}: {shape}, {worker.engine_config}"
