"""The allocation from Slurm's variables, and the nodes a run takes of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.errors import PlanError, SlurmError
from harness.slurm.allocation import Allocation, current_allocation, take_nodes

INSIDE = {
    "SLURM_JOB_ID": "453374",
    "SLURM_JOB_NODELIST": "node[1-4]",
    "SLURMD_NODENAME": "node1",
    "SLURM_CLUSTER_NAME": "testbed",
}
NODES = ("node1", "node2", "node3", "node4")
JOB = Allocation("453374", NODES, "node1", "testbed")


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in INSIDE.items() if name not in names}


def test_job_nodes_head_node_and_cluster_come_from_slurms_variables() -> None:
    assert current_allocation(INSIDE) == JOB


@pytest.mark.parametrize(
    "environ",
    [{}, without("SLURM_JOB_ID"), without("SLURM_JOB_NODELIST"), INSIDE | {"SLURM_JOB_ID": ""}],
    ids=["nothing", "no job", "no nodes", "empty job"],
)
def test_outside_of_a_job_there_is_none(environ: Mapping[str, str]) -> None:
    assert current_allocation(environ) is None


def test_the_older_names_of_the_variables_are_understood() -> None:
    environ = {"SLURM_JOBID": "7", "SLURM_NODELIST": "node[1-2]"}

    assert current_allocation(environ) == Allocation("7", ("node1", "node2"), "node1", "")


def test_the_node_this_runs_on_is_the_head_node() -> None:
    found = current_allocation(INSIDE | {"SLURMD_NODENAME": "node3"})

    assert found is not None
    assert found.head_node == "node3"


@pytest.mark.parametrize("here", ["login1", ""])
def test_outside_of_its_nodes_the_first_is_the_head_node(here: str) -> None:
    found = current_allocation(INSIDE | {"SLURMD_NODENAME": here})

    assert found is not None
    assert found.head_node == "node1"


def test_a_node_list_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SlurmError, match=r"node\[1-"):
        current_allocation(INSIDE | {"SLURM_JOB_NODELIST": "node[1-"})


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_head_node_is_taken_first(count: int) -> None:
    taken = take_nodes(JOB, count, head_node="node3")

    assert taken == ("node3", "node1", "node2", "node4")[:count]


def test_more_nodes_than_the_job_has_are_refused_with_both_numbers() -> None:
    with pytest.raises(PlanError) as refused:
        take_nodes(JOB, 8)

    assert "--nodes 8: job 453374 has 4 nodes (node1, node2, node3, node4)" in str(refused.value)
    assert "salloc --nodes 8" in refused.value.hint


def test_a_head_node_of_another_job_is_refused() -> None:
    with pytest.raises(PlanError, match=r"HEAD_NODE=node9 is not in job 453374 \(node1, "):
        take_nodes(JOB, 2, head_node="node9")
