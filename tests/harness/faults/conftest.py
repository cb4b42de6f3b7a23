"""One testbed for all faults, brought up anew after a fault that left something on it."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.faults.world import FaultWorld


@pytest.fixture(scope="session")
def fault_world() -> Iterator[FaultWorld]:
    """A testbed of 4 nodes; run directories lie beside its state, where its nodes see them."""
    root = Path("/var/tmp") / f"faults-{os.getpid()}"
    world = FaultWorld(root / "testbed", root / "runs")
    with _sigterm_as_ctrl_c():
        try:
            world.up()
            yield world
        finally:
            world.down()
    shutil.rmtree(root)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Have pytest end in order on SIGTERM: a verb sends it, also when its time is over."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
