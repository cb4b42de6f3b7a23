"""The world that the tests of this folder break, one after the other."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness.settings import PROJECT_ROOT
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


@pytest.fixture
def tmp_path_in_checkout() -> Iterator[Path]:
    """A folder that is seen in the containers: the checkout is mounted there."""
    (PROJECT_ROOT / "runs").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="broken-", dir=PROJECT_ROOT / "runs") as folder:
        yield Path(folder)
