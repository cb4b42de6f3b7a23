"""The topologies that tests ask for by name, made from the settings."""

from __future__ import annotations

from harness.errors import PlanError
from harness.settings import Settings
from harness.topology import Role, RoleShape, Topology

AGG = "agg"
AGG_REPLICAS = "agg-replicas"


def topology(name: str, settings: Settings) -> Topology:
    """Return a topology by its name; raise :class:`PlanError` for an unknown one.

    ``agg`` is the deployment of NVIDIA's example: one worker over NUM_NODES nodes. ``agg-replicas``
    are single-node workers of the same model, one at first, to be scaled.
    """
    gpus = settings.num_gpus_per_node
    shapes = {
        AGG: RoleShape(Role.AGGREGATED, settings.engine_config, settings.num_nodes),
        AGG_REPLICAS: RoleShape(
            Role.AGGREGATED,
            settings.replica_engine_config,
            nodes_per_worker=1,
            max_replicas=settings.max_replicas,
        ),
    }
    if name not in shapes:
        raise PlanError(f"no topology is called {name!r}; known: {', '.join(shapes)}")
    return Topology(name, gpus, (shapes[name],))
