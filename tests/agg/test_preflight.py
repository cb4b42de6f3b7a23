"""The nodes before the first step of an aggregated deployment."""

import pytest

from tests.promises.preflight.nodes import NodePromises


@pytest.mark.agg
@pytest.mark.topology("agg")
class TestNodes(NodePromises):
    """Claimed for the nodes of the large worker, and so for all of the run."""
