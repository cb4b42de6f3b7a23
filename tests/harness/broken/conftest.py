"""The world that the tests of this folder break, one after the other."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.broken.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A testbed of 4 nodes for this folder alone.

    Run directories must be seen from its nodes, whose /tmp is their own: they lie beside its state.
    """
    root = Path("/var/tmp") / f"broken-worlds-{os.getpid()}"
    world = World(root / "testbed", root / "runs")
    world.up()
    yield world
    world.down()
    shutil.rmtree(root)
