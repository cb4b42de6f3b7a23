"""Node lists in Slurm's short form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SlurmError
from harness.slurm.nodelist import expand, fold

NODES = st.sets(st.integers(1, 99), max_size=20).map(
    lambda numbers: tuple(f"node{number}" for number in sorted(numbers))
)


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("node1", ("node1",)),
        ("node[1-4]", ("node1", "node2", "node3", "node4")),
        ("node[1,3-4]", ("node1", "node3", "node4")),
        ("gb200-r01-[01-02],gb200-r02-07", ("gb200-r01-01", "gb200-r01-02", "gb200-r02-07")),
        ("", ()),
    ],
)
def test_a_node_list_is_expanded(text: str, nodes: tuple[str, ...]) -> None:
    assert expand(text) == nodes


def test_nodes_come_in_slurms_order_whatever_the_order_of_the_text() -> None:
    assert expand("node10,node2,node[3,1]") == ("node1", "node2", "node3", "node10")


def test_a_node_named_twice_comes_once() -> None:
    assert expand("node[1-2],node2") == ("node1", "node2")


@given(NODES)
def test_what_is_folded_expands_to_the_same_nodes(nodes: tuple[str, ...]) -> None:
    assert expand(fold(reversed(nodes))) == nodes


def test_consecutive_nodes_fold_to_a_range() -> None:
    assert fold(["node3", "node1", "node2", "node4"]) == "node[1-4]"


@pytest.mark.parametrize("text", ["node[1-4", "node[4-1]", "node[]", "node[1-a]"])
def test_what_is_no_node_list_is_named(text: str) -> None:
    with pytest.raises(SlurmError) as refused:
        expand(text)

    assert f"cannot read the node list {text!r}" in str(refused.value)


def test_node_groups_of_the_machine_are_not_asked() -> None:
    assert expand("@all") == ("@all",)
