"""Testbeds for the testbed's tests: one for all that do not hurt it, one for each that does."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster.api import Cluster
from tests.harness.testbed.kit import SMALL, make_image


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running testbed of two nodes with a tiny image, shared by all tests."""
    if os.geteuid() != 0:
        pytest.skip(f"a testbed needs root; this is user id {os.geteuid()}")
    cluster = Cluster(tmp_path_factory.mktemp("testbed") / "state")
    cluster.state.images.mkdir(parents=True)
    make_image(tmp_path_factory.mktemp("image"), cluster.state.images / "tiny.sqsh")
    cluster.up(SMALL)
    yield cluster
    cluster.down()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A testbed that is down, for one test to bring up and to hurt.

    Its path is short: that of pytest's own folders may be too long for Slurm's sockets.
    """
    if os.geteuid() != 0:
        pytest.skip(f"a testbed needs root; this is user id {os.geteuid()}")
    with tempfile.TemporaryDirectory(prefix="testbed-") as folder:
        cluster = Cluster(Path(folder) / "state")
        yield cluster
        cluster.down()
