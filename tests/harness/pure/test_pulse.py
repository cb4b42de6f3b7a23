"""One thing asked again and again: when the alarm is raised, and when it is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from harness.deadline import Deadline, wait_until
from harness.diagnosis.facts import Fact
from harness.diagnosis.signatures import HANG, SERVICE_SILENT
from harness.errors import NotReady
from harness.watching.pulse import Pulse
from tests.harness.pure.diagnosis_kit import seen

WRONG = [seen(SERVICE_SILENT, 0), seen(HANG, 1)]
LONG_S = 600.0


class Asked:
    """Counts the questions, and answers each as it was told."""

    def __init__(self, answer: Callable[[], Sequence[Fact]]) -> None:
        self.times = 0
        self._answer = answer

    def __call__(self) -> Sequence[Fact]:
        """Count, and answer."""
        self.times += 1
        return self._answer()

    def again(self, more: int = 3) -> bool:
        """Wait until it was asked some more times."""
        enough = self.times + more
        return wait_until(lambda: self.times >= enough, Deadline.after(20)) or False


@dataclass
class Clock:
    """Stands for the module ``time``."""

    monotonic: Callable[[], float]


class Alarms:
    """The alarms that were raised."""

    def __init__(self) -> None:
        self.raised: list[Fact] = []

    def wait(self) -> Fact:
        """Wait for an alarm, and return the first."""
        assert wait_until(lambda: self.raised, Deadline.after(20))
        return self.raised[0]


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@contextmanager
def beating(asked: Asked, alarms: Alarms, *, limit_s: float = 0.0) -> Iterator[Pulse]:
    pulse = Pulse("test", asked, every_s=0.005, limit_s=limit_s, alarm=alarms.raised.append)
    pulse.start()
    try:
        yield pulse
    finally:
        pulse.stop()


def test_what_is_wrong_first_is_the_alarm(alarms: Alarms) -> None:
    with beating(Asked(lambda: WRONG), alarms):
        assert alarms.wait() is WRONG[0]


def test_what_is_right_is_no_alarm(alarms: Alarms) -> None:
    with beating(asked := Asked(list), alarms):
        assert asked.again()
    assert alarms.raised == []


def test_what_cannot_be_asked_is_no_alarm_and_is_asked_again(alarms: Alarms) -> None:
    def answer() -> Sequence[Fact]:
        raise NotReady("no answer")

    with beating(asked := Asked(answer), alarms):
        assert asked.again()
    assert alarms.raised == []


def test_a_broken_question_is_told_and_asked_again(alarms: Alarms) -> None:
    told: list[str] = []

    def answer() -> Sequence[Fact]:
        raise KeyError("kvs")

    asked = Asked(answer)
    pulse = Pulse(
        "etcd", asked, every_s=0.005, limit_s=0.0, alarm=alarms.raised.append, on_broken=told.append
    )
    pulse.start()
    assert asked.again()
    pulse.stop()

    assert alarms.raised == []
    assert told[0] == "pulse etcd: KeyError('kvs')"


def test_what_is_wrong_for_less_than_the_limit_is_no_alarm(alarms: Alarms) -> None:
    with beating(asked := Asked(lambda: WRONG), alarms, limit_s=LONG_S):
        assert asked.again()
    assert alarms.raised == []


def test_what_stays_wrong_for_the_limit_is_an_alarm(alarms: Alarms) -> None:
    with beating(asked := Asked(lambda: WRONG), alarms, limit_s=0.1):
        alarms.wait()
    assert asked.times > 1


def test_one_right_answer_begins_the_limit_anew(
    alarms: Alarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = [0.0]
    monkeypatch.setattr("harness.watching.pulse.time", Clock(lambda: clock_s[0]))
    answers = iter([WRONG, [], WRONG, WRONG])
    pulse = Pulse("t", list, every_s=1, limit_s=8, alarm=alarms.raised.append)

    for clock_s[0] in (5.0, 10.0, 17.9):
        pulse._judge(next(answers))
    assert alarms.raised == []
    clock_s[0] = 18.0
    pulse._judge(next(answers))
    assert alarms.raised == WRONG[:1]


def test_a_pulse_at_rest_does_not_ask(alarms: Alarms) -> None:
    with beating(asked := Asked(list), alarms) as pulse:
        assert asked.again()
        pulse.rest()
        at_rest = asked.times
        with beating(meanwhile := Asked(list), alarms):
            assert meanwhile.again(10)
        assert asked.times <= at_rest + 1  # one question may have been under way
        pulse.go_on()
        assert asked.again()


def test_an_answer_from_before_a_rest_is_not_heard_after_it(alarms: Alarms) -> None:
    under_way, answer, heard = threading.Event(), threading.Event(), threading.Event()

    def slowly() -> Sequence[Fact]:
        if heard.is_set():
            return []
        under_way.set()
        answer.wait(20)
        heard.set()
        return WRONG

    with beating(asked := Asked(slowly), alarms) as pulse:
        assert under_way.wait(20)
        pulse.rest()
        pulse.go_on()
        answer.set()
        assert asked.again()
    assert alarms.raised == []


def test_a_rest_begins_the_limit_anew(alarms: Alarms, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = [0.0]
    monkeypatch.setattr("harness.watching.pulse.time", Clock(lambda: clock_s[0]))
    pulse = Pulse("t", list, every_s=1, limit_s=8, alarm=alarms.raised.append)
    pulse.rest()
    clock_s[0] = 100.0
    pulse.go_on()

    pulse._judge(WRONG)
    assert alarms.raised == []


def test_an_answer_that_comes_after_the_stop_is_not_heard(alarms: Alarms) -> None:
    under_way, answer = threading.Event(), threading.Event()

    def slowly() -> Sequence[Fact]:
        under_way.set()
        answer.wait(20)
        return WRONG

    with beating(asked := Asked(slowly), alarms) as pulse:
        assert under_way.wait(20)
        pulse.stop()
        answer.set()
        pulse._thread.join(20)
    assert not pulse._thread.is_alive()
    assert (asked.times, alarms.raised) == (1, [])
