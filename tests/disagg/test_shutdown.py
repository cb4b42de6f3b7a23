"""The end of disaggregated deployments."""

import pytest

from tests.promises.shutdown import ShutdownPromises


@pytest.mark.disagg
@pytest.mark.topology("disagg", "disagg-small", "disagg-scaled", "disagg-mixed")
class TestShutdown(ShutdownPromises):
    """Claimed for each worker of every disaggregated topology."""
