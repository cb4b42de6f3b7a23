"""The world that the tests of this folder break, one after the other."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness.settings import PROJECT_ROOT
from tests.harness.faults.world import FaultWorld, one_world


@pytest.fixture(scope="session")
def world() -> Iterator[FaultWorld]:
    """A testbed for this folder alone."""
    yield from one_world("broken-worlds")


@pytest.fixture
def tmp_path_in_checkout() -> Iterator[Path]:
    """A folder that is seen in the containers: the checkout is mounted there."""
    (PROJECT_ROOT / "runs").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="broken-", dir=PROJECT_ROOT / "runs") as folder:
        yield Path(folder)
