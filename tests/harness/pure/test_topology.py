"""Topologies put on nodes: disjoint workers, ranks in blocks, refusals that give numbers."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import PlanError
from harness.topology import Role, RoleShape, Topology, WorkerPlacement, place

CONFIG = "/mnt/agg.yaml"


def nodes(count: int) -> list[str]:
    return [f"node{number}" for number in range(1, count + 1)]


def aggregated(width: int, replicas: int = 1, most: int = 1, gpus: int = 4) -> Topology:
    shape = RoleShape(Role.AGGREGATED, CONFIG, width, replicas=replicas, max_replicas=most)
    return Topology("agg", gpus, (shape,))


SHAPES = st.builds(
    lambda role, width, most, gap: RoleShape(
        role, CONFIG, width, replicas=max(1, most - gap), max_replicas=most
    ),
    st.sampled_from([Role.PREFILL, Role.DECODE]),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 3),
)
TOPOLOGIES = st.builds(
    Topology,
    st.just("any"),
    st.integers(1, 8),
    st.lists(SHAPES, min_size=1, max_size=2, unique_by=lambda shape: shape.role).map(tuple),
)


def test_one_worker_takes_the_first_nodes_in_order() -> None:
    [worker] = place(aggregated(4), nodes(6), head_node="node1").workers

    assert (worker.name, worker.nodes) == ("agg-0", ("node1", "node2", "node3", "node4"))
    assert (worker.world_size, worker.leader_node) == (16, "node1")


@given(TOPOLOGIES, st.integers(0, 3))
def test_workers_never_share_a_node(topology: Topology, spare: int) -> None:
    placed = place(topology, nodes(topology.nodes + spare), head_node="node1")
    taken = list(chain.from_iterable(worker.nodes for worker in placed.workers))

    assert len(taken) == len(set(taken)) == topology.nodes


@given(TOPOLOGIES)
def test_every_worker_has_a_name_and_a_width_of_its_own(topology: Topology) -> None:
    workers = place(topology, nodes(topology.nodes), head_node="node1").workers
    widths = {shape.role: shape.nodes_per_worker for shape in topology.roles}

    assert len({worker.name for worker in workers}) == len(workers)
    assert all(len(worker.nodes) == widths[worker.role] for worker in workers)


@given(TOPOLOGIES)
def test_as_many_workers_start_first_as_the_roles_ask_for(topology: Topology) -> None:
    placed = place(topology, nodes(topology.nodes), head_node="node1")
    first = [worker.role for group in placed.initial for worker in group]

    assert {shape.role: first.count(shape.role) for shape in topology.roles} == {
        shape.role: shape.replicas for shape in topology.roles
    }


@given(st.integers(1, 18), st.integers(1, 8))
def test_ranks_lie_in_blocks_and_each_on_one_node(width: int, gpus: int) -> None:
    [worker] = place(aggregated(width, gpus=gpus), nodes(width), head_node="node1").workers
    laid = [rank for node in worker.nodes for rank in worker.ranks_on(node)]

    assert laid == list(range(worker.world_size))
    assert all(rank in worker.ranks_on(worker.node_of(rank)) for rank in laid)


@pytest.mark.parametrize(
    ("rank", "node"), [(0, "node5"), (3, "node5"), (4, "node6"), (9, "node7"), (15, "node8")]
)
def test_a_rank_is_found_on_its_node(rank: int, node: str) -> None:
    names = ("node5", "node6", "node7", "node8")
    worker = WorkerPlacement("agg-0", Role.AGGREGATED, 0, CONFIG, names, gpus_per_node=4)

    assert worker.node_of(rank) == node


def test_too_few_nodes_are_refused_with_the_numbers_and_a_way_out() -> None:
    with pytest.raises(PlanError) as refused:
        place(aggregated(1, most=4), nodes(3), head_node="node1")

    assert "needs 4 nodes (4 aggregated x 1), the run has 3" in str(refused.value)
    assert "--nodes" in refused.value.hint


def test_a_node_that_stands_twice_is_refused() -> None:
    with pytest.raises(PlanError, match="a node stands twice in node1, node1"):
        place(aggregated(2), ["node1", "node1"], head_node="node1")


def test_the_placement_has_the_head_node_first_and_none_twice() -> None:
    placed = place(aggregated(2), nodes(2), head_node="node2")

    assert placed.nodes == ("node2", "node1")


@pytest.mark.parametrize(
    ("role", "short", "mode"),
    [
        (Role.AGGREGATED, "agg", "prefill_and_decode"),
        (Role.PREFILL, "prefill", "prefill"),
        (Role.DECODE, "decode", "decode"),
    ],
)
def test_a_role_has_dynamos_word_for_it(role: Role, short: str, mode: str) -> None:
    assert (role.short, role.disaggregation_mode) == (short, mode)
