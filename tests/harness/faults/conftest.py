"""One testbed for all faults, brought up anew after a fault that left something on it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.harness.faults.world import FaultWorld, one_world


@pytest.fixture(scope="session")
def fault_world() -> Iterator[FaultWorld]:
    """A testbed for this folder alone."""
    with _sigterm_as_ctrl_c():
        yield from one_world("faults")


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Have pytest end in order on SIGTERM: a verb sends it, also when its time is over."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
