"""Nodes that are not clean before the start: refused, with node, thing and the way out."""

from ipaddress import IPv4Address

import pytest

from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

PREFLIGHT = "test_nodes_hold_nothing_of_an_earlier_deployment"


def test_stale_shared_memory_file_is_named_and_left_alone(world: World) -> None:
    """A moe_shared file of an earlier run on node3: INFRA, with file, node and command."""
    file = "/dev/shm/moe_shared_l0_lr0_all"
    world.on_node("node3", "touch", file)
    try:
        ended = world.run_suite("-k", "preflight or registration")
        still_there = world.on_node("node3", "ls", file)
    finally:
        world.on_node("node3", "rm", file)

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == [PREFLIGHT]
    assert "moe_shared_l0_lr0_all" in ended.output
    assert "node3" in ended.output
    assert ended.nothing_deployed
    assert still_there


def test_foreign_listener_on_the_frontends_port_is_named(world: World) -> None:
    """Somebody else's server on port 8000 of the head node: INFRA, with port, pid and a way out."""
    every_address = str(IPv4Address(0))
    stranger = world.start_on_node(
        "node1", "python3", "-m", "http.server", "8000", "--bind", every_address
    )
    try:
        world.on_node("node1", "python3", "-I", "-c", LISTENS)
        ended = world.run_suite("-k", "preflight or registration")
    finally:
        stranger.terminate()
        stranger.wait(10)

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == [PREFLIGHT]
    assert "port 8000 of head node node1" in ended.output


LISTENS = """
import socket, time
end = time.monotonic() + 10
while time.monotonic() < end:
    try:
        socket.create_connection(("127.0.0.1", 8000), 1).close()
        break
    except OSError:
        time.sleep(0.05)
else:
    raise SystemExit("nobody listens on 8000")
"""
