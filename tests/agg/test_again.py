"""A second aggregated deployment where the first has been."""

import pytest

from tests.promises.again import AgainPromises


@pytest.mark.agg
@pytest.mark.topology("agg")
class TestAgain(AgainPromises):
    """Claimed for the large worker."""
