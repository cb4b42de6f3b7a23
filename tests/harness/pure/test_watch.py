"""The watch over steps: what ends it, what it rests from, and that its alarm is raised once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.diagnosis.facts import Fact, Layer
from harness.diagnosis.listener import StepListener
from harness.diagnosis.signatures import HANG, SERVICE_SILENT, STEP_ENDED
from harness.slurm.step import Step
from harness.watching import watch as watching
from harness.watching.pulse import Pulse
from harness.watching.watch import Watch
from harness.watching.watched import Watched
from tests.harness.pure.diagnosis_kit import seen
from tests.harness.pure.step_kit import UNTIL_TERM, LocalSlurm, local_slurm

FATAL = "3: pydantic_core.ValidationError: 1 validation error for TorchLlmArgs"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.01)


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


class Looked:
    """A watch over steps that may come and go, with the alarms it has told of."""

    def __init__(self, *steps: Step) -> None:
        self.steps = [
            Watched(step, StepListener(step.name, (step.err, step.out), Layer.ENGINE), Layer.ENGINE)
            for step in steps
        ]
        self.told: list[Fact] = []
        self.looks = 0
        self.watch = Watch(self._watched, on_alarm=self.told.append)

    def _watched(self) -> list[Watched]:
        self.looks += 1
        return self.steps

    def alarm(self) -> Fact:
        """Wait for the alarm and return it."""
        assert wait_until(lambda: self.told, Deadline.after(20))
        return self.told[0]

    def again(self) -> None:
        """Wait until some looks more have been made, each to its end."""
        enough = self.looks + 3
        assert wait_until(lambda: self.looks >= enough, Deadline.after(20))


@contextmanager
def looking(*steps: Step) -> Iterator[Looked]:
    looked = Looked(*steps)
    looked.watch.start()
    try:
        yield looked
    finally:
        looked.watch.stop()


def say(step: Step, line: str) -> None:
    with step.err.open("a") as log:
        log.write(f"{line}\n")


def test_steps_that_live_and_say_nothing_fatal_raise_no_alarm(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)
    with looking(step) as looked:
        say(step, "3: ValueError: handled")
        say(step, "3: torch.OutOfMemoryError: CUDA out of memory. The batch is made smaller")
        looked.again()

    assert (looked.told, looked.watch.alarm) == ([], None)


def test_a_fatal_line_is_the_alarm_while_the_step_lives(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)
    with looking(step) as looked:
        say(step, FATAL)

        alarm = looked.alarm()
    assert (alarm.name, alarm.place.rank) == ("config-key", 3)
    assert looked.watch.alarm is alarm
    assert step.exit_code is None


@pytest.mark.parametrize("code", [0, 3])
def test_a_step_that_has_ended_is_the_alarm_whatever_its_code(slurm: LocalSlurm, code: int) -> None:
    with looking(slurm.start("agg-0", f"exit {code}")) as looked:
        alarm = looked.alarm()

    assert (alarm.name, alarm.place.step) == (STEP_ENDED, "agg-0")


def test_a_task_that_srun_tells_of_is_the_alarm_before_the_step_ends(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)
    with looking(step) as looked:
        say(step, "srun: error: node3: task 9: Exited with exit code 1")

        assert looked.alarm().words == "srun tells of an ended task"
    assert step.exit_code is None


def test_the_alarm_is_raised_once(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)
    with looking(step) as looked:
        looked.watch.raise_alarm(first := seen(HANG, 0))
        looked.watch.raise_alarm(seen(SERVICE_SILENT, 0))
        say(step, FATAL)
        assert wait_until(lambda: not looked.watch._thread.is_alive(), Deadline.after(20))

    assert looked.told == [first]
    assert looked.watch.alarm is first


def test_alarms_of_many_threads_are_one(slurm: LocalSlurm) -> None:
    with looking(slurm.launch("agg-0", UNTIL_TERM)) as looked:
        together = threading.Barrier(8)

        def shout() -> None:
            together.wait(20)
            looked.watch.raise_alarm(seen(HANG, 0))

        threads = [threading.Thread(target=shout) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert len(looked.told) == 1


def test_a_pulse_raises_the_alarm_of_the_watch(slurm: LocalSlurm) -> None:
    wrong = seen(SERVICE_SILENT, 0)
    with looking(slurm.launch("agg-0", UNTIL_TERM)) as looked:
        raise_alarm = looked.watch.raise_alarm
        looked.watch.add(Pulse("etcd", lambda: [wrong], every_s=0.01, limit_s=0, alarm=raise_alarm))

        assert looked.alarm() is wrong


def test_a_watch_at_rest_raises_no_alarm_and_forgets(slurm: LocalSlurm) -> None:
    stays, goes = slurm.launch("agg-0", UNTIL_TERM), slurm.launch("agg-1", UNTIL_TERM)
    answers = [seen(SERVICE_SILENT, 0)]
    with looking(stays, goes) as looked:
        pulse = Pulse(
            "etcd", lambda: answers, every_s=0.01, limit_s=0, alarm=looked.watch.raise_alarm
        )
        with looked.watch.resting():
            looked.watch.add(pulse)
            looked.watch.raise_alarm(seen(HANG, 0))
            slurm.client.signal(goes.step_id, "TERM")
            assert wait_until(lambda: goes.exit_code is not None, Deadline.after(20))
            answers.clear()
            looked.steps = looked.steps[:1]
        looked.again()

    assert (looked.told, looked.watch.alarm) == ([], None)


def test_a_watch_goes_on_when_the_last_of_its_rests_is_over(slurm: LocalSlurm) -> None:
    wrong = seen(HANG, 0)
    with looking(slurm.launch("agg-0", UNTIL_TERM)) as looked:
        with looked.watch.resting():
            with looked.watch.resting():
                pass
            looked.watch.raise_alarm(wrong)
            assert looked.told == []
        looked.watch.raise_alarm(wrong)

        assert looked.told == [wrong]


def test_a_rest_that_ends_with_an_error_is_over(slurm: LocalSlurm) -> None:
    with looking(slurm.launch("agg-0", UNTIL_TERM)) as looked:
        with pytest.raises(KeyError), looked.watch.resting():
            raise KeyError
        looked.watch.raise_alarm(seen(HANG, 0))

        assert looked.told


def test_a_step_that_ended_in_a_rest_and_has_to_live_is_told_of(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)
    with looking(step) as looked:
        with looked.watch.resting():
            slurm.client.signal(step.step_id, "TERM")
            assert wait_until(lambda: step.exit_code is not None, Deadline.after(20))

        assert looked.alarm().name == STEP_ENDED


def test_a_watch_that_was_stopped_raises_no_alarm(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)
    with looking(step) as looked:
        looked.watch.stop()
        say(step, FATAL)
        looked.watch.raise_alarm(seen(HANG, 0))
        assert wait_until(lambda: not looked.watch._thread.is_alive(), Deadline.after(20))

    assert (looked.told, looked.watch.alarm) == ([], None)


def test_an_alarm_that_was_raised_stays_after_the_stop(slurm: LocalSlurm) -> None:
    with looking(slurm.launch("agg-0", UNTIL_TERM)) as looked:
        looked.watch.raise_alarm(wrong := seen(HANG, 0))

    assert looked.watch.alarm is wrong
