"""Whose instance it is: by the node it is served from, and the role it registered for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.dynamo.discovery import Instance
from harness.dynamo.worker import Worker, owners
from harness.releases import dynamo_release
from harness.topology import Role, RoleShape, Topology, place
from tests.harness.pure.step_kit import UNTIL_TERM, local_slurm

NODES = {f"10.77.0.{number}": f"node{number}" for number in range(1, 5)}


def component(role: Role) -> str:
    return dynamo_release("1.4.2").component(role, "decode_first")


def instance(number: int, role: Role, *, address: str | None = None) -> Instance:
    """Return an instance of the worker on node ``number``, registered in this order."""
    at = f"10.77.0.{number}" if address is None else address
    return Instance("dynamo", component(role), "generate", number, at, f"key{number}", number)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    """Two prefill workers on node1 and node2, a decode worker on node3."""
    shapes = (
        RoleShape(Role.PREFILL, "/mnt/p.yaml", 1, replicas=2, max_replicas=2),
        RoleShape(Role.DECODE, "/mnt/d.yaml", 1),
    )
    placed = place(Topology("disagg", 4, shapes), ["node1", "node2", "node3"], head_node="node1")
    with local_slurm(tmp_path) as slurm:
        yield [
            Worker(each, slurm.launch(each.name, UNTIL_TERM), eplb_prefix="moe_shared")
            for each in placed.workers
        ]


def named(workers: list[Worker], instances: list[Instance]) -> dict[str, str]:
    found = owners(workers, instances, nodes=NODES, component=component)
    return {key: worker.name for key, worker in found.items()}


def test_an_instance_is_its_leaders_nodes(workers: list[Worker]) -> None:
    found = [instance(2, Role.PREFILL), instance(3, Role.DECODE), instance(1, Role.PREFILL)]

    assert named(workers, found) == {"key1": "prefill-0", "key2": "prefill-1", "key3": "decode-0"}


def test_an_instance_of_the_other_role_is_nobodys(workers: list[Worker]) -> None:
    assert named(workers, [instance(3, Role.PREFILL), instance(1, Role.DECODE)]) == {}


def test_an_instance_of_a_strange_node_is_nobodys(workers: list[Worker]) -> None:
    assert named(workers, [instance(4, Role.DECODE)]) == {}


def test_instances_without_addresses_are_told_by_role_and_order(workers: list[Worker]) -> None:
    found = [instance(number, Role.PREFILL, address="") for number in (2, 1)]

    assert named(workers, found) == {"key1": "prefill-0", "key2": "prefill-1"}


def test_an_instance_without_an_address_stays_with_its_worker(workers: list[Worker]) -> None:
    workers[1].instance = instance(1, Role.PREFILL, address="")
    found = [instance(number, Role.PREFILL, address="") for number in (1, 2)]

    assert named(workers, found) == {"key1": "prefill-1", "key2": "prefill-0"}
