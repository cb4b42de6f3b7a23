"""One testbed for all faults, brought up anew after a fault that left something on it."""

from collections.abc import Iterator

import pytest

from tests.harness.faults.world import FaultWorld, one_world


@pytest.fixture(scope="session")
def fault_world() -> Iterator[FaultWorld]:
    """A testbed for this folder alone."""
    yield from one_world("faults")
