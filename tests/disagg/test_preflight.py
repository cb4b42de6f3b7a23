"""The nodes before the first step of a disaggregated deployment."""

import pytest

from harness.run import QualificationRun
from tests.promises.preflight.container import ContainerPromises
from tests.promises.preflight.nodes import NodePromises
from tests.promises.preflight.room import RoomPromises


@pytest.mark.disagg
@pytest.mark.topology("disagg")
class TestNodes(NodePromises):
    """Claimed for the nodes of the large workers, and so for all of the run."""

    def test_prefill_and_decode_nodes_reach_each_other(self, run: QualificationRun) -> None:
        """KV caches can travel: each prefill node reaches each decode node, and back."""
        reached = run.reach("disagg")

        assert not reached.apart


@pytest.mark.disagg
@pytest.mark.topology("disagg")
class TestRoom(RoomPromises):
    """Claimed for the nodes of the run, and for the job they are in."""


@pytest.mark.disagg
@pytest.mark.topology("disagg")
class TestContainer(ContainerPromises):
    """Claimed for all nodes with a worker, and for what any deployment of the run names."""
