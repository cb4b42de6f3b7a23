"""What a signal does to a session that ends in order: real signals, to this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from fixtures.interruption import SAME_WISH_S, OrderlyEnd


@pytest.fixture
def in_a_test() -> Iterator[OrderlyEnd]:
    """A session of its own, in the middle of a test."""
    end = OrderlyEnd(cast("pytest.Session", SimpleNamespace(shouldstop=False)))
    phase = end.pytest_runtest_call()
    next(phase)
    yield end
    phase.close()
    end.pytest_unconfigure()


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_sigterm_ends_the_test_that_it_meets(in_a_test: OrderlyEnd) -> None:
    with pytest.raises(pytest.exit.Exception, match="ended by SIGTERM") as ended:
        terminate()

    assert ended.value.returncode == 143
    assert in_a_test._session.shouldstop == "ended by SIGTERM"


def test_a_sigterm_that_comes_twice_at_once_does_not_cut_the_end_short(
    in_a_test: OrderlyEnd,
) -> None:
    """As when a job is cancelled: Slurm signals all processes, the batch script passes it on."""
    with pytest.raises(pytest.exit.Exception):
        terminate()
    terminate()

    in_a_test._came_s -= SAME_WISH_S
    with pytest.raises(pytest.exit.Exception):
        terminate()
