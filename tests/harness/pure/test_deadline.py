"""Deadlines and the waiter, on a clock that moves only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from harness import deadline as deadline_module
from harness.deadline import Deadline, wait_until
from harness.errors import StepEnded


class Clock:
    """Time in seconds that passes while the waiter sleeps; ``naps`` are the pauses it took."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.now_s

    def sleep(self, pause_s: float) -> None:
        """Let time pass."""
        self.naps.append(pause_s)
        self.now_s += pause_s


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    fake = SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep)
    monkeypatch.setattr(deadline_module, "time", fake)
    return clock


def looks(*results: object) -> Callable[[], object]:
    """Return a condition that gives one result a look, the last one for ever."""
    last = results[-1]
    left: Iterator[object] = iter(results)
    return lambda: next(left, last)


def test_a_deadline_counts_down_and_never_below_zero(clock: Clock) -> None:
    deadline = Deadline.after(10)

    clock.now_s += 4
    assert (deadline.elapsed_s, deadline.remaining_s, deadline.expired) == (4, 6, False)
    clock.now_s += 60
    assert (deadline.elapsed_s, deadline.remaining_s, deadline.expired) == (64, 0, True)


@pytest.mark.parametrize(("asked_s", "given_s"), [(1, 1), (4, 4), (30, 4)])
def test_a_call_below_gets_no_more_time_than_is_left(
    clock: Clock, asked_s: float, given_s: float
) -> None:
    deadline = Deadline.after(10)
    clock.now_s += 6

    assert deadline.capped(asked_s) == given_s


def test_the_first_true_look_is_returned() -> None:
    assert wait_until(looks(None, "", 0, "found"), Deadline.after(10)) == "found"


def test_what_already_holds_costs_no_pause(clock: Clock) -> None:
    assert wait_until(looks("found"), Deadline.after(10))
    assert clock.naps == []


def test_none_is_returned_when_time_is_up(clock: Clock) -> None:
    assert wait_until(looks(None), Deadline.after(10)) is None
    assert clock.now_s == pytest.approx(1010)


def test_a_deadline_that_is_over_still_looks_once() -> None:
    assert wait_until(looks("found"), Deadline.after(0)) == "found"


def test_the_last_pause_ends_with_the_deadline(clock: Clock) -> None:
    wait_until(looks(None), Deadline.after(1.0), poll_s=0.75)

    assert clock.naps == pytest.approx([0.75, 0.25])


def test_it_looks_once_more_after_the_last_pause(clock: Clock) -> None:
    end_s = clock.now_s + 1.0

    assert wait_until(lambda: clock.now_s >= end_s, Deadline.after(1.0), poll_s=0.75)


def test_early_death_beats_the_timeout(clock: Clock) -> None:
    def watch() -> None:
        if clock.now_s > 1003:
            raise StepEnded("step agg-0 ended")

    with pytest.raises(StepEnded):
        wait_until(looks(None), Deadline.after(1200), watch=watch)
    assert clock.now_s < 1004


def test_death_is_looked_for_before_success() -> None:
    def watch() -> None:
        raise StepEnded("step agg-0 ended")

    with pytest.raises(StepEnded):
        wait_until(looks("found"), Deadline.after(10), watch=watch)
