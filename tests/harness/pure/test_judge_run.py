"""The states and the verdict of a run that was killed, from its plan and its journal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import VerdictClass
from harness.journal import Entry, Outcome
from harness.judge_run import RunCounts, TestState, judge, judge_directory
from harness.planned import PlannedTest
from harness.verdict_file import counts_json, counts_of, emulated_by, judged_verdict

PLAN = [PlannedTest(name, stage="serve") for name in ("one", "two", "three", "four")]
PHASES = ("setup", "call", "teardown")


def start(test: str, at: float = 0.0) -> Entry:
    return Entry(at, "start", test=test)


def phase(
    test: str, name: str, outcome: Outcome = Outcome.PASSED, given: str | None = None
) -> Entry:
    return Entry(
        1.0, "outcome", test=test, phase=name, outcome=outcome, verdict_class=given, message="why"
    )


def passed(test: str) -> list[Entry]:
    return [start(test), *(phase(test, name) for name in PHASES)]


def failed(test: str, given: str = "FAIL") -> list[Entry]:
    outcomes = (Outcome.PASSED, Outcome.FAILED, Outcome.PASSED)
    ends = zip(PHASES, outcomes, strict=True)
    return [start(test), *(phase(test, name, outcome, given) for name, outcome in ends)]


def skipped(test: str, outcome: Outcome) -> list[Entry]:
    return [start(test), phase(test, "setup", outcome), phase(test, "teardown")]


def states(entries: Sequence[Entry]) -> list[TestState]:
    return [end.state for end in judge(PLAN, entries).ends]


def test_each_planned_test_has_a_state() -> None:
    entries = [*passed("one"), *failed("two"), start("three")]

    assert states(entries) == [
        TestState.PASSED,
        TestState.FAILED,
        TestState.INTERRUPTED,
        TestState.NEVER_RAN,
    ]


def test_what_did_not_run_and_what_was_skipped_stay_apart() -> None:
    entries = [*skipped("one", Outcome.NOT_RUN), *skipped("two", Outcome.SKIPPED)]

    assert states(entries)[:2] == [TestState.NOT_RUN, TestState.SKIPPED]


@pytest.mark.parametrize("phases", [(), PHASES[:1], PHASES[:2]], ids=["setup", "call", "teardown"])
def test_a_test_that_was_cut_in_any_phase_has_not_passed(phases: Sequence[str]) -> None:
    judged = judge(PLAN, [start("one"), *(phase("one", name) for name in phases)])

    assert judged.ends[0].state is TestState.INTERRUPTED
    assert judged.interrupted == "one"


def test_a_run_killed_between_two_tests_interrupted_none() -> None:
    judged = judge(PLAN, [*passed("one"), *passed("two")])

    assert judged.interrupted is None
    assert str(judged.counts) == "2 passed, 0 failed, 0 not run, 2 never ran"


def test_a_failure_stands_although_its_teardown_was_cut() -> None:
    judged = judge(PLAN, failed("one")[:-1])

    assert judged.ends[0].state is TestState.FAILED
    assert judged.interrupted == "one"
    assert judged.verdict is VerdictClass.FAIL


def test_the_interrupted_test_says_after_how_long() -> None:
    alive = Entry(112.4, "alive")
    judged = judge(PLAN, [start("one", at=100.0), alive])

    assert judged.ends[0].message == (
        "interrupted here: pytest ended while this test ran, after 12 s"
    )
    assert judged.seconds == pytest.approx(12.4)


def test_a_test_that_a_signal_ended_keeps_the_words_of_that() -> None:
    interrupted = phase("one", "call", Outcome.INTERRUPTED, "INVALID")
    judged = judge(PLAN, [start("one"), interrupted, phase("one", "teardown")])

    assert judged.ends[0].state is TestState.INTERRUPTED
    assert judged.ends[0].message == "why"
    assert judged.interrupted == "one"


def test_a_test_that_only_the_journal_knows_is_not_lost() -> None:
    assert [end.planned.id for end in judge([], failed("five")).ends] == ["five"]


def test_all_passed_and_no_end_is_invalid() -> None:
    entries = [entry for test in PLAN for entry in passed(test.id)]

    assert judge(PLAN, entries).verdict is VerdictClass.INVALID


@pytest.mark.parametrize("given", ["FAIL", "LEAK", "CONFIG", "INFRA", "HARNESS"])
def test_a_failure_outweighs_the_interruption(given: str) -> None:
    judged = judge(PLAN, [*failed("one", given), start("two")])

    assert judged.verdict is VerdictClass(given)


def test_a_failure_of_a_class_that_nobody_knows_is_the_suites_own() -> None:
    assert judge(PLAN, failed("one", "NEWS")).verdict is VerdictClass.HARNESS


@given(
    st.lists(
        st.builds(
            phase,
            st.sampled_from([test.id for test in PLAN]),
            st.sampled_from(PHASES),
            st.sampled_from(list(Outcome)),
            st.sampled_from([None, *VerdictClass]),
        )
    )
)
def test_no_journal_makes_a_killed_run_pass(entries: list[Entry]) -> None:
    judged = judge(PLAN, entries)

    assert judged.verdict is not VerdictClass.PASS
    assert sum(counts_json(judged.counts).values()) == len(PLAN)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (RunCounts(3), "3 passed, 0 failed, 0 not run"),
        (RunCounts(3, 1, never_ran=2), "3 passed, 1 failed, 0 not run, 2 never ran"),
        (
            RunCounts(3, 1, interrupted=1, never_ran=2),
            "3 passed, 1 failed, 1 interrupted, 2 never ran",
        ),
        (
            RunCounts(3, 1, 4, 5, interrupted=1),
            "3 passed, 1 failed, 4 not run, 5 skipped, 1 interrupted, 0 never ran",
        ),
    ],
)
def test_counts_read_as_a_phrase(counts: RunCounts, words: str) -> None:
    assert str(counts) == words


def test_counts_are_read_back_from_a_verdict() -> None:
    counts = RunCounts(3, 1, 0, 2, interrupted=1, never_ran=4)

    assert counts_of({"counts": counts_json(counts)}) == counts
    assert counts_of({"counts": {"passed": 3}}) == RunCounts(3)


@pytest.mark.parametrize(
    ("facts", "emulated"),
    [
        ({}, None),
        ({"engine": "none seen", "gpus": "none seen"}, None),
        ({"engine": "none seen", "gpus": "16 x NVIDIA GB200 (emulated)"}, True),
        ({"engine": "none seen", "gpus": "16 x NVIDIA GB200"}, None),
        ({"engine": "1.3.0rc22+emulated", "gpus": "none seen"}, True),
        ({"engine": "1.3.0rc22", "gpus": "16 x NVIDIA GB200"}, False),
    ],
)
def test_an_emulated_engine_is_known_by_the_facts(
    facts: dict[str, str], emulated: bool | None
) -> None:
    assert emulated_by(facts) is emulated


def test_a_run_of_before_the_journal_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "tests.json").write_text('["one", "two"]', encoding="utf-8")

    assert judge_directory(tmp_path) is None
    assert judged_verdict(tmp_path) == {}


def test_a_run_that_ended_before_its_first_test_ran_none(tmp_path: Path) -> None:
    plan = [{"id": "one", "stage": "serve"}]
    (tmp_path / "tests.json").write_text(json.dumps(plan), encoding="utf-8")
    verdict = judged_verdict(tmp_path)

    assert verdict["verdict"] == "INVALID"
    assert verdict["never_started"] == ["one"]
