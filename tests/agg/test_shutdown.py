"""The end of aggregated deployments."""

import pytest

from tests.promises.shutdown import ShutdownPromises


@pytest.mark.agg
@pytest.mark.topology("agg", "agg-replicas")
class TestShutdown(ShutdownPromises):
    """Claimed for the large worker and for the replicas."""
