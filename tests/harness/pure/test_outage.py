"""What clients saw of an outage, from the facts of a load: windows, refusals, silent answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.dynamo.kill import KillReport
from harness.dynamo.outage import Outage
from harness.serving.load_facts import Answered, LoadFacts
from tests.harness.pure.serving_kit import asked, record_of

KILLED_S, STARTS_S, BACK_S = 100.0, 115.0, 120.0
GOOD = Answered(90, 90.2, ok=True, why="", status=200, request_id="r", prefill_worker=1,
                decode_worker=2)  # fmt: skip


def bad(start_s: float, status: int, took_s: float = 0.1) -> Answered:
    why = f"status: {status}"
    return replace(
        GOOD, started_at_s=start_s, ended_at_s=start_s + took_s, ok=False, status=status, why=why
    )


def good(start_s: float) -> Answered:
    return replace(GOOD, started_at_s=start_s, ended_at_s=start_s + 0.1)


def outage(*answered: Answered) -> Outage:
    killed = KillReport("prefill-0", "7.1", KILLED_S, 0.2, 9.5, ())
    refused = record_of(b"", asked(), status=503)
    return Outage(killed, BACK_S, STARTS_S, refused, 503, LoadFacts.of(answered))


def test_the_window_ends_with_the_last_failure_that_is_no_clear_refusal() -> None:
    seen = outage(bad(101, 500), bad(108, 500, took_s=0.5), bad(112, 503), bad(119, 503))

    assert seen.unclear_s == pytest.approx(8.5)


def test_clear_refusals_alone_are_no_window() -> None:
    assert outage(bad(101, 503), bad(119, 503)).unclear_s == 0.0


def test_what_failed_before_the_kill_is_no_part_of_it() -> None:
    assert outage(bad(99, 500)).unclear_s == 0.0


def test_an_answer_while_prefill_is_missing_is_found() -> None:
    silent = good(110)

    assert outage(good(100.1), silent, good(121)).answered_without_prefill == [silent]


def test_an_answer_that_ended_with_the_new_worker_proves_nothing() -> None:
    late = replace(GOOD, started_at_s=114.9, ended_at_s=121.0)

    assert outage(late).answered_without_prefill == []


def test_service_is_back_only_when_nothing_fails_any_more() -> None:
    lost = bad(121, 500)
    seen = outage(good(120.5), good(122), lost)

    assert (seen.answered_after, seen.failed_after) == (2, [lost])
    assert "prefill-0 (step 7.1) was killed" in seen.words
