"""Nodes that are not clean before the start: refused, with node, thing and the way out."""

import pytest

from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

PREFLIGHT = "test_nodes_hold_nothing_of_an_earlier_deployment"


def test_stale_shared_memory_file_is_named_and_left_alone(world: World) -> None:
    """A moe_shared file of an earlier run on node3: INFRA, with file, node and command."""
    with world.broken_by("stale-moe-file"):
        ended = world.run_suite("-k", "preflight or registration")
        left = world.shm_files("node3")

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == [PREFLIGHT]
    assert "moe_shared_l0_lr0_all" in ended.output
    assert "node3" in ended.output
    assert ended.nothing_deployed
    assert left == ["moe_shared_l0_lr0_all"]


def test_foreign_listener_on_the_frontends_port_is_named(world: World) -> None:
    """Somebody else's server on port 8000 of the head node: INFRA, with port, pid and a way out."""
    with world.broken_by("http-port-taken"):
        ended = world.run_suite("-k", "preflight or registration")

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == [PREFLIGHT]
    assert "port 8000 of head node node1" in ended.output
