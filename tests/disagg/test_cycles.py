"""A small disaggregated deployment, again and again (``--cycles N``)."""

import pytest

from tests.promises.cycles import CyclePromises


@pytest.mark.disagg
@pytest.mark.topology("disagg-small")
class TestCycles(CyclePromises):
    """Claimed for one prefill and one decode worker with their services."""
