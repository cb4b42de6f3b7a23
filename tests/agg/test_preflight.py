"""The nodes before the first step of an aggregated deployment."""

import pytest

from tests.promises.preflight import PreflightPromises


@pytest.mark.agg
@pytest.mark.topology("agg")
class TestPreflight(PreflightPromises):
    """Claimed for the nodes of the large worker, and so for all of the run."""
