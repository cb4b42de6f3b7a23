"""A node that stops answering: named, in bounded time, with the class of a node's fault."""

import json
from collections.abc import Iterator

import pytest

from harness.deadline import Deadline, wait_until
from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]


@pytest.fixture
def frozen(world: World) -> Iterator[str]:
    """node3, whose slurmd hears nothing any more."""
    with world.broken_by("frozen-node"):
        yield "node3"
    well = wait_until(lambda: not json.loads(world.status())["problems"], Deadline.after(60.0))
    assert well, world.status()


def test_frozen_node_is_named_before_anything_is_deployed(world: World, frozen: str) -> None:
    """node3 cannot be looked at: INFRA, in Slurm's words, which name it."""
    ended = world.run_suite("-k", "preflight or registration")

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == ["test_nodes_hold_nothing_of_an_earlier_deployment"]
    [failure] = ended.verdict["failures"].values()
    assert f"failed on node {frozen}: Socket timed out" in failure["message"]
    assert "srun: job-name" not in failure["message"]
