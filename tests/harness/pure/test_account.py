"""Every request accounted for: sent = answered + cancelled + failed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exchange import Outcome
from harness.serving import Record
from harness.serving.account import Account
from tests.harness.pure.serving_kit import asked, framed, good_chunks, record_of, timed, unary_of

ASKED = asked(max_tokens=1)
BODY = framed(good_chunks(["Once"]))
ANSWERED = [record_of(BODY, ASKED), unary_of("Once", 1, ASKED)]
CANCELLED = [record_of(BODY[:size], ASKED, outcome=Outcome.CANCELLED) for size in (0, 40)]
FAILED = [
    record_of(BODY[:-20], ASKED, outcome=Outcome.CUT),
    record_of(BODY, ASKED, outcome=Outcome.TIMEOUT),
    record_of(b"", ASKED, outcome=Outcome.UNREACHABLE, status=None),
    record_of(b"{}", ASKED, status=503),
    record_of(framed([]), ASKED),
    unary_of("", 1, ASKED),
]


@pytest.mark.parametrize("record", FAILED, ids=repr)
def test_answer_that_is_not_as_promised_has_failed(record: Record) -> None:
    assert Account.of([record]) == Account(sent=1, failed=1)


def test_a_stall_is_one_by_the_limit_of_the_run() -> None:
    slow = timed(good_chunks(["Once ", "upon"]), [0.0, *[15.0] * 4], asked(max_tokens=2))

    assert Account.of([slow]) == Account(sent=1, failed=1)
    assert Account.of([slow], stall_limit_s=30.0) == Account(sent=1, answered=1)


@given(st.lists(st.sampled_from([*ANSWERED, *CANCELLED, *FAILED])))
def test_nobody_is_lost_and_nobody_counted_twice(records: list[Record]) -> None:
    account = Account.of(iter(records))

    assert account.sent == account.answered + account.cancelled + account.failed == len(records)
    assert account.answered == sum(record in ANSWERED for record in records)
    assert account.cancelled == sum(record in CANCELLED for record in records)
