"""The topologies that tests ask for by name, made from the settings."""

from __future__ import annotations

from harness.errors import PlanError
from harness.settings import Settings
from harness.topology import Role, RoleShape, Topology
from harness.topology_names import (
    AGG,
    AGG_REPLICAS,
    DISAGG,
    DISAGG_MIXED,
    DISAGG_SCALED,
    DISAGG_SMALL,
)


def topology(name: str, settings: Settings) -> Topology:
    """Return a topology by its name; raise :class:`PlanError` for an unknown one.

    ``agg`` and ``disagg`` are the two deployments of NVIDIA's example. ``agg-replicas`` and
    ``disagg-scaled`` are single-node workers of the same model, to be scaled. ``disagg-small`` is
    one such prefill and one decode worker, ``disagg-mixed`` a prefill worker of two nodes before
    two decode workers of one.
    """
    shapes = _shapes(settings)
    if name not in shapes:
        raise PlanError(f"no topology is called {name!r}; known: {', '.join(shapes)}")
    in_turn = name in {DISAGG_SMALL, DISAGG_SCALED}
    return Topology(name, settings.num_gpus_per_node, shapes[name], in_turn=in_turn)


def _shapes(settings: Settings) -> dict[str, tuple[RoleShape, ...]]:
    large_prefill = RoleShape(
        Role.PREFILL,
        settings.prefill_engine_config,
        settings.num_prefill_nodes,
        replicas=settings.num_prefill_workers,
        max_replicas=settings.num_prefill_workers,
    )
    large_decode = RoleShape(
        Role.DECODE,
        settings.decode_engine_config,
        settings.num_decode_nodes,
        replicas=settings.num_decode_workers,
        max_replicas=settings.num_decode_workers,
    )
    return {
        AGG: (RoleShape(Role.AGGREGATED, settings.engine_config, settings.num_nodes),),
        AGG_REPLICAS: (
            RoleShape(
                Role.AGGREGATED,
                settings.replica_engine_config,
                nodes_per_worker=1,
                max_replicas=settings.max_replicas,
            ),
        ),
        DISAGG: (large_prefill, large_decode),
        DISAGG_SMALL: (_small_prefill(settings), _small_decode(settings)),
        # Decode first, so that both orders are seen.
        DISAGG_SCALED: (_small_decode(settings, replicas=2), _small_prefill(settings, replicas=2)),
        DISAGG_MIXED: (
            RoleShape(Role.PREFILL, settings.wide_prefill_engine_config, nodes_per_worker=2),
            _small_decode(settings, replicas=2),
        ),
    }


def _small_prefill(settings: Settings, replicas: int = 1) -> RoleShape:
    config = settings.replica_prefill_engine_config
    return RoleShape(Role.PREFILL, config, 1, replicas=replicas, max_replicas=replicas)


def _small_decode(settings: Settings, replicas: int = 1) -> RoleShape:
    config = settings.replica_decode_engine_config
    return RoleShape(Role.DECODE, config, 1, replicas=replicas, max_replicas=replicas)
