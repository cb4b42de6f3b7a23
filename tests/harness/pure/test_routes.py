"""Who served a batch: every answer names a worker of each role, and the workers' counts agree."""

from __future__ import annotations

from harness.dynamo.routes import NOBODY, Routes
from harness.topology import Role
from tests.harness.pure.serving_kit import asked, record_of

RECORDS = tuple(record_of(b"", asked()) for _ in range(3))
PREFILL, DECODE = Role.PREFILL, Role.DECODE


def routes(
    prefill: tuple[str, ...] = ("prefill-0",) * 3, taken: dict[str, int] | None = None
) -> Routes:
    counted = {"prefill-0": 3} if taken is None else taken
    return Routes(
        RECORDS,
        {PREFILL: prefill, DECODE: ("decode-0", "decode-1", "decode-0")},
        {PREFILL: counted, DECODE: {"decode-0": 2, "decode-1": 1}},
    )


def test_a_batch_through_both_roles_has_no_strays() -> None:
    seen = routes()

    assert (seen.strays(PREFILL), seen.strays(DECODE)) == ([], [])
    assert seen.serving(DECODE) == {"decode-0", "decode-1"}


def test_an_answer_that_names_no_prefill_worker_is_a_stray() -> None:
    [stray] = routes(prefill=("prefill-0", NOBODY, "prefill-0")).strays(PREFILL)

    assert stray.endswith("the answer names nobody known as prefill worker")


def test_a_count_that_does_not_add_up_is_a_stray() -> None:
    [stray] = routes(taken={"prefill-0": 1, "prefill-1": 1}).strays(PREFILL)

    assert stray == (
        "the prefill workers counted {'prefill-0': 1, 'prefill-1': 1}, expected 3 requests together"
    )


def test_a_role_without_workers_counted_nothing() -> None:
    [*_, stray] = routes(prefill=(NOBODY,) * 3, taken={}).strays(PREFILL)

    assert stray == "the prefill workers counted no requests, expected 3 requests together"


def test_nothing_is_proved_where_nobody_tells() -> None:
    assert not Routes(RECORDS, {}, {}).proved
    assert routes().proved


def test_counts_alone_tell_who_serves_where_answers_name_nobody() -> None:
    seen = Routes(RECORDS, {}, {PREFILL: {"prefill-0": 3, "prefill-1": 0}})

    assert seen.serving(PREFILL) == {"prefill-0"}
