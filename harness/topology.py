"""Topologies as data, and their placement on named nodes.

A topology says what is wanted (roles, replicas, nodes a worker); a placement says where. Workers of
one placement never share a node: that is by construction, and proved from Slurm after launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import PlanError
from harness.roles import Role

__all__ = ["Placement", "Role", "RoleShape", "Topology", "WorkerPlacement", "place"]


@dataclass(frozen=True)
class RoleShape:
    """The workers of one role: engine config (path in the container), width, and how many."""

    role: Role
    engine_config: str
    nodes_per_worker: int
    replicas: int = 1
    max_replicas: int = 1

    @property
    def nodes(self) -> int:
        """Nodes this role takes at its largest."""
        return self.nodes_per_worker * self.max_replicas


@dataclass(frozen=True)
class Topology:
    """A wanted shape: roles on nodes with ``gpus_per_node`` ranks each.

    ``in_turn``: the roles are started one after the other, in their order here, so that it can be
    seen what each is without the next; otherwise all together.
    """

    name: str
    gpus_per_node: int
    roles: tuple[RoleShape, ...]
    in_turn: bool = False

    @property
    def disaggregated(self) -> bool:
        """Whether prefill and decode are workers of their own."""
        return any(shape.role is not Role.AGGREGATED for shape in self.roles)

    @property
    def most_replicas(self) -> int:
        """Workers of the role that has most of them, when every role is scaled to its largest."""
        return max(shape.max_replicas for shape in self.roles)

    @property
    def nodes(self) -> int:
        """Nodes the topology takes when every role is scaled to its largest."""
        return sum(shape.nodes for shape in self.roles)


@dataclass(frozen=True)
class WorkerPlacement:
    """One worker on its nodes. Ranks are laid out in blocks: node k has ranks k*g .. k*g+g-1."""

    name: str
    role: Role
    replica: int
    engine_config: str
    nodes: tuple[str, ...]
    gpus_per_node: int
    start: int = 1
    """The how-manieth start of this replica; a later one gets logs and names of its own."""

    @property
    def label(self) -> str:
        """Name of this start: the worker's name, from the second start on with its number."""
        return self.name if self.start == 1 else f"{self.name}.{self.start}"

    @property
    def world_size(self) -> int:
        """Ranks of the worker: one a GPU."""
        return len(self.nodes) * self.gpus_per_node

    @property
    def leader_node(self) -> str:
        """The node of rank 0, where the worker registers from."""
        return self.nodes[0]

    def node_of(self, rank: int) -> str:
        """Return the node on which a rank runs."""
        return self.nodes[rank // self.gpus_per_node]

    def ranks_on(self, node: str) -> tuple[int, ...]:
        """Return the ranks of one node."""
        first = self.nodes.index(node) * self.gpus_per_node
        return tuple(range(first, first + self.gpus_per_node))


@dataclass(frozen=True)
class Placement:
    """A topology on named nodes; ``workers`` holds each role's replicas at its largest."""

    topology: Topology
    head_node: str
    workers: tuple[WorkerPlacement, ...]

    @property
    def initial(self) -> tuple[tuple[WorkerPlacement, ...], ...]:
        """The workers that are started first, ``replicas`` of each role, in groups.

        The workers of a group are started together, the groups one after the other.
        """
        groups = tuple(self.of(shape.role)[: shape.replicas] for shape in self.topology.roles)
        return groups if self.topology.in_turn else (tuple(w for group in groups for w in group),)

    def of(self, role: Role) -> tuple[WorkerPlacement, ...]:
        """Return the workers of one role, at its largest."""
        return tuple(worker for worker in self.workers if worker.role is role)

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes of the placement, the head node first, none twice."""
        seen = dict.fromkeys(
            [self.head_node, *(n for worker in self.workers for n in worker.nodes)]
        )
        return tuple(seen)


def place(topology: Topology, nodes: Sequence[str], *, head_node: str) -> Placement:
    """Put a topology on the first nodes of a list, in order, no node twice.

    Raises :class:`PlanError` when there are too few nodes or a node stands twice in the list.
    """
    if len(set(nodes)) != len(nodes):
        raise PlanError(f"topology {topology.name}: a node stands twice in {', '.join(nodes)}")
    if len(nodes) < topology.nodes:
        parts = " + ".join(
            f"{shape.max_replicas} {shape.role} x {shape.nodes_per_worker}"
            for shape in topology.roles
        )
        raise PlanError(
            f"topology {topology.name} needs {topology.nodes} nodes ({parts}), "
            f"the run has {len(nodes)}",
            hint="give more with --nodes and the allocation, or a smaller shape: fewer nodes a "
            "worker (NUM_NODES, NUM_PREFILL_NODES, NUM_DECODE_NODES, with engine configs that "
            "fit) or fewer replicas (MAX_REPLICAS, NUM_PREFILL_WORKERS, NUM_DECODE_WORKERS)",
        )
    free = list(nodes)
    workers = []
    for shape in topology.roles:
        for replica in range(shape.max_replicas):
            taken, free = free[: shape.nodes_per_worker], free[shape.nodes_per_worker :]
            workers.append(
                WorkerPlacement(
                    name=f"{shape.role.short}-{replica}",
                    role=shape.role,
                    replica=replica,
                    engine_config=shape.engine_config,
                    nodes=tuple(taken),
                    gpus_per_node=topology.gpus_per_node,
                )
            )
    return Placement(topology, head_node, tuple(workers))
