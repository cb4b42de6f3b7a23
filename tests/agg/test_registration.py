"""Registration of aggregated workers."""

import pytest

from tests.promises.registration import RegistrationPromises


@pytest.mark.agg
@pytest.mark.topology("agg", "agg-replicas")
class TestRegistration(RegistrationPromises):
    """Claimed for the large worker and for the first single-node replica."""
