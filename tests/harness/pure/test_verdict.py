"""The verdict of a run from its failures and counts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import VerdictClass
from harness.verdict import EXIT_CODES, SEVERITY, Counts, verdict_line, verdict_of

PROVED = Counts(passed=30)
FAIL, LEAK, INFRA, INVALID = (
    VerdictClass.FAIL,
    VerdictClass.LEAK,
    VerdictClass.INFRA,
    VerdictClass.INVALID,
)


def test_a_finished_run_without_failures_passes() -> None:
    assert verdict_of([], PROVED, finished=True) is VerdictClass.PASS


@pytest.mark.parametrize(
    ("counts", "finished"),
    [
        (Counts(), True),
        (Counts(skipped=30), True),
        (Counts(passed=30, not_run=1), True),
        (PROVED, False),
    ],
    ids=["no test ran", "all skipped", "one did not run", "cut short"],
)
def test_a_run_that_proved_too_little_is_invalid(counts: Counts, finished: bool) -> None:
    assert verdict_of([], counts, finished=finished) is INVALID


def test_a_typed_skip_does_not_spoil_a_run() -> None:
    assert verdict_of([], Counts(passed=30, skipped=2), finished=True) is VerdictClass.PASS


@given(
    st.lists(st.sampled_from(SEVERITY), min_size=1),
    st.builds(Counts, *[st.integers(0, 40)] * 4),
    st.booleans(),
)
def test_any_failure_outweighs_every_count(
    failures: list[VerdictClass], counts: Counts, finished: bool
) -> None:
    assert verdict_of(failures, counts, finished=finished) in failures


@pytest.mark.parametrize(("worse", "milder"), list(itertools.pairwise(SEVERITY)))
def test_the_worse_class_names_the_run(worse: VerdictClass, milder: VerdictClass) -> None:
    assert verdict_of([milder, worse, milder], PROVED, finished=True) is worse


def test_a_broken_promise_of_the_product_is_the_worst() -> None:
    assert verdict_of([LEAK, INFRA, FAIL], Counts(failed=3), finished=False) is FAIL


def test_every_class_but_pass_has_a_severity() -> None:
    assert set(SEVERITY) == set(VerdictClass) - {VerdictClass.PASS}


def test_every_class_has_an_exit_code_of_its_own_that_is_not_one_of_pytests() -> None:
    others = [code for given_class, code in EXIT_CODES.items() if given_class is not FAIL]

    assert set(EXIT_CODES) == set(VerdictClass)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert EXIT_CODES[VerdictClass.PASS] == 0
    assert not set(others) & {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (Counts(30, 0, 0), "30 passed, 0 failed, 0 not run"),
        (Counts(12, 1, 17, 2), "12 passed, 1 failed, 17 not run, 2 skipped"),
    ],
)
def test_counts_read_as_a_phrase(counts: Counts, words: str) -> None:
    assert str(counts) == words


def test_the_line_says_verdict_counts_and_seconds() -> None:
    line = verdict_line(VerdictClass.PASS, Counts(30), emulated=False, seconds=99.6)

    assert line == "verdict: PASS (30 passed, 0 failed, 0 not run, 100 s)"


def test_an_emulated_engine_is_said_and_is_no_release_verdict() -> None:
    line = verdict_line(VerdictClass.PASS, Counts(30), emulated=True, seconds=1)

    assert "emulated engine: not a release verdict" in line


def test_an_unseen_engine_is_not_called_emulated() -> None:
    assert "emulated" not in verdict_line(INVALID, Counts(), emulated=None, seconds=1)
