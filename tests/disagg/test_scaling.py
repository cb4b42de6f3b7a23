"""Prefill and decode replicas, each role scaled down, killed and replaced under load."""

import pytest

from tests.promises.scaling import ScalingPromises


@pytest.mark.disagg
@pytest.mark.topology("disagg-scaled")
class TestScaling(ScalingPromises):
    """Claimed for prefill and for decode workers."""
