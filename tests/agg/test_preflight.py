"""The nodes before the first step of an aggregated deployment."""

import pytest

from tests.promises.preflight.container import ContainerPromises
from tests.promises.preflight.nodes import NodePromises
from tests.promises.preflight.room import RoomPromises


@pytest.mark.agg
@pytest.mark.topology("agg")
class TestNodes(NodePromises):
    """Claimed for the nodes of the large worker, and so for all of the run."""


@pytest.mark.agg
@pytest.mark.topology("agg")
class TestRoom(RoomPromises):
    """Claimed for the nodes of the run, and for the job they are in."""


@pytest.mark.agg
@pytest.mark.topology("agg")
class TestContainer(ContainerPromises):
    """Claimed for all nodes with a worker, and for what any deployment of the run names."""
