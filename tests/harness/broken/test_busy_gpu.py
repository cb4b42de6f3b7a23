"""A GPU that somebody uses before the start: refused, with node, GPU, memory and holder."""

import pytest

from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]


def test_busy_gpu_is_named_with_its_holder_and_left_alone(world: World) -> None:
    """4096 MiB in use on node2 before the start: INFRA, and the stranger lives on."""
    with world.broken_by("busy-gpu"):
        pids = world.gpu_processes("node2", "stranger")
        ended = world.run_suite("-k", "preflight or registration")
        alive = world.gpu_processes("node2", "stranger")

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == ["test_nodes_hold_nothing_of_an_earlier_deployment"]
    assert "node2: GPU 1" in ended.output
    assert "4096 MiB" in ended.output
    assert pids
    assert all(pid in ended.output for pid in pids)
    assert ended.nothing_deployed
    assert alive == pids
