"""Single-node aggregated replicas, scaled from one to MAX_REPLICAS and back under load."""

import pytest

from tests.promises.scaling import ScalingPromises


@pytest.mark.agg
@pytest.mark.topology("agg-replicas")
class TestScaling(ScalingPromises):
    """Claimed for aggregated workers."""
