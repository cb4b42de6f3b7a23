"""What a run was asked for, and its plan: with an allocation or without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.dynamo.plan import Plan, make_plan
from harness.settings import LoadedSettings
from harness.slurm.allocation import Allocation, take_nodes


@dataclass(frozen=True)
class RunRequest:
    """What the command line asked for.

    ``nodes`` is the budget; ``topologies`` stand in the order of their tests.
    """

    loaded: LoadedSettings
    nodes: int
    topologies: tuple[str, ...]
    log_root: Path
    run_id: str


def placeholder_nodes(count: int) -> tuple[str, ...]:
    """Return node names for a plan made outside of an allocation."""
    return tuple(f"node{number}" for number in range(1, count + 1))


def plan_run(request: RunRequest, allocation: Allocation | None, *, head_address: str) -> Plan:
    """Plan the run: on the allocation's nodes, or on placeholders where there is none."""
    settings = request.loaded.settings
    if allocation is None:
        nodes = placeholder_nodes(request.nodes)
    else:
        nodes = take_nodes(allocation, request.nodes, head_node=settings.head_node)
    return make_plan(
        request.topologies,
        settings,
        nodes=nodes,
        head_address=head_address,
        run_id=request.run_id,
        job_id=allocation.job_id if allocation else "<SLURM_JOB_ID>",
        log_root=request.log_root,
    )
