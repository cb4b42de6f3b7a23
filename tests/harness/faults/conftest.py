"""One testbed for all faults, brought up anew after a fault that left something on it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.faults.world import FaultWorld


@pytest.fixture(scope="session")
def fault_world() -> Iterator[FaultWorld]:
    """A testbed of 4 nodes; run directories lie beside its state, where its nodes see them."""
    root = Path("/var/tmp") / f"faults-{os.getpid()}"
    world = FaultWorld(root / "testbed", root / "runs")
    world.up()
    yield world
    world.down()
    shutil.rmtree(root)
