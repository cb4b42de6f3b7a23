"""A second disaggregated deployment where the first has been."""

import pytest

from tests.promises.again import AgainPromises


@pytest.mark.disagg
@pytest.mark.topology("disagg")
class TestAgain(AgainPromises):
    """Claimed for the large workers."""
