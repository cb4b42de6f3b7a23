"""A value made once; a first failure that is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.diagnosis.diagnosis import Diagnosed, Seen, diagnose
from harness.diagnosis.signatures import RANK_KILLED
from harness.errors import HarnessError, NotReady, StepEnded
from harness.once import NotRun, Once
from tests.harness.pure.diagnosis_kit import seen


class Maker:
    """Counts how often it was asked, and answers as it was told."""

    def __init__(self, answer: Callable[[], object]) -> None:
        self.calls = 0
        self._answer = answer

    def __call__(self) -> object:
        """Count, and answer."""
        self.calls += 1
        return self._answer()


def failing(error: BaseException) -> Maker:
    def answer() -> object:
        raise error

    return Maker(answer)


def test_the_value_is_made_at_first_demand_and_once() -> None:
    maker = Maker(object)
    once = Once("deployment agg", maker)

    assert (maker.calls, once.made) == (0, False)
    assert once.get() is once.get()
    assert (maker.calls, once.made) == (1, True)


def test_a_value_that_is_false_is_not_made_twice() -> None:
    maker = Maker(lambda: None)
    once = Once("nothing", maker)
    once.get()
    once.get()

    assert maker.calls == 1


def test_the_first_failure_is_raised_as_it_is() -> None:
    error = NotReady("not ready after 1200 s")
    once = Once("deployment agg", failing(error))

    with pytest.raises(NotReady) as raised:
        once.get()

    assert raised.value is error
    assert once.failure is error


def test_a_failure_is_not_retried_and_later_demands_are_told_its_first_line() -> None:
    maker = failing(NotReady("rank 3 is missing", hint="see its log"))
    once = Once("deployment agg", maker)
    with pytest.raises(NotReady):
        once.get()

    with pytest.raises(NotRun) as told:
        once.get()

    assert str(told.value) == "deployment agg is not there: NotReady [FAIL]: rank 3 is missing"
    assert isinstance(told.value.cause, NotReady)
    assert maker.calls == 1


def test_a_fault_of_the_suite_is_kept_as_well() -> None:
    maker = failing(KeyError("instance_id"))
    once = Once("deployment agg", maker)
    with pytest.raises(KeyError):
        once.get()

    with pytest.raises(NotRun, match=r"HarnessError.*KeyError.*instance_id"):
        once.get()
    assert isinstance(once.failure, HarnessError)
    assert maker.calls == 1


def test_what_is_made_of_a_failed_value_names_the_first_cause() -> None:
    deployment = Once("deployment agg", failing(StepEnded("rank 9 died")))
    shutdown = Once("its shutdown", deployment.get)
    with pytest.raises(StepEnded):
        deployment.get()
    with pytest.raises(NotRun, match="deployment agg is not there: StepEnded"):
        shutdown.get()

    with pytest.raises(NotRun, match="its shutdown is not there: StepEnded"):
        shutdown.get()


def test_the_end_of_the_session_is_no_failure_of_the_value() -> None:
    once = Once("deployment agg", failing(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        once.get()
    assert once.failure is None


def test_a_value_that_became_useless_is_no_longer_given() -> None:
    once = Once("deployment agg", object)
    once.get()
    once.fail(StepEnded("rank 9 on node3: SIGKILL"))

    with pytest.raises(NotRun, match="rank 9 on node3"):
        once.get()


def test_the_earlier_failure_stays_the_first() -> None:
    once = Once("deployment agg", object)
    first = StepEnded("rank 9 died")
    once.fail(first)
    once.fail(NotReady("and then nothing answered"))

    assert once.failure is first


def test_who_asks_later_is_told_the_id_of_a_cause_that_was_found() -> None:
    end = seen(RANK_KILLED, 0, rank=3)
    found = diagnose([end], Seen.of(StepEnded("agg-0 has ended")))
    assert found is not None
    once = Once("deployment agg", object)
    once.fail(Diagnosed(found, "cause-2"))

    with pytest.raises(NotRun, match=r"agg is not there: cause-2: StepEnded \[FAIL\]: .*killed"):
        once.get()


def test_it_knows_its_own_value_from_an_equal_one() -> None:
    once: Once[list[int]] = Once("a list", lambda: [1])

    assert not once.holds([1])
    assert once.holds(once.get())
    assert not once.holds([1])
