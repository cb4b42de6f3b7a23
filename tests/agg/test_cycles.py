"""A single-node aggregated deployment, again and again (``--cycles N``)."""

import pytest

from tests.promises.cycles import CyclePromises


@pytest.mark.agg
@pytest.mark.topology("agg-replicas")
class TestCycles(CyclePromises):
    """Claimed for the first single-node replica with its services."""
