"""The allocation pytest runs in, read from the variables Slurm sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import PlanError
from harness.slurm.nodelist import expand


@dataclass(frozen=True)
class Allocation:
    """One job: its id, its nodes in Slurm's order, and the node this process runs on."""

    job_id: str
    nodes: tuple[str, ...]
    head_node: str
    cluster: str


def current_allocation(environ: Mapping[str, str]) -> Allocation | None:
    """Return the allocation this process is in, or ``None`` outside of one."""
    job_id = environ.get("SLURM_JOB_ID") or environ.get("SLURM_JOBID")
    node_list = environ.get("SLURM_JOB_NODELIST") or environ.get("SLURM_NODELIST")
    if not job_id or not node_list:
        return None
    nodes = expand(node_list)
    here = environ.get("SLURMD_NODENAME", "")
    return Allocation(
        job_id, nodes, here if here in nodes else nodes[0], environ.get("SLURM_CLUSTER_NAME", "")
    )


def take_nodes(allocation: Allocation, count: int, *, head_node: str = "") -> tuple[str, ...]:
    """Return ``count`` nodes of the allocation, the head node first.

    Raises :class:`PlanError` when the allocation has fewer, or does not hold ``head_node``.
    """
    head = head_node or allocation.head_node
    if head not in allocation.nodes:
        raise PlanError(
            f"HEAD_NODE={head} is not in job {allocation.job_id} ({', '.join(allocation.nodes)})",
        )
    if count > len(allocation.nodes):
        raise PlanError(
            f"--nodes {count}: job {allocation.job_id} has {len(allocation.nodes)} nodes "
            f"({', '.join(allocation.nodes)})",
            hint=f"take a larger allocation (salloc --nodes {count}) or give a smaller --nodes",
        )
    return (head, *(node for node in allocation.nodes if node != head))[:count]
