"""The workers that an answer names, role by role: of streams and whole answers, good and odd."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.serving import load_records
from harness.serving.workers import WorkerIds, worker_ids
from tests.harness.pure.serving_kit import (
    STREAMS,
    asked,
    content,
    counted,
    end,
    framed,
    record_of,
    unary_of,
)

ASKED = asked(max_tokens=2).naming_workers()
BIG = 2**64 - 1
"""Dynamo's instance ids fill 64 bits."""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def named(**ids: Any) -> dict[str, Any]:
    return {"nvext": {"worker_id": ids}}


def stream_of(*extras: dict[str, Any]) -> WorkerIds:
    """Return what is read of a stream whose first chunks carry ``extras``, one each."""
    pieces = [content("Once ") | extra for extra in extras]
    return worker_ids(record_of(framed([*pieces, end(), counted(len(pieces))]), ASKED))


def test_workers_are_read_from_a_stream() -> None:
    ids = named(prefill_worker_id=7, decode_worker_id=BIG)

    assert stream_of(ids, {}) == stream_of({}, ids) == WorkerIds(prefill=7, decode=BIG)


def test_workers_are_read_from_a_whole_answer() -> None:
    ids = named(prefill_worker_id=BIG, decode_worker_id=9)

    assert worker_ids(unary_of("Once", 1, ASKED, **ids)) == WorkerIds(prefill=BIG, decode=9)


def test_roles_may_be_named_in_chunks_of_their_own() -> None:
    apart = stream_of(named(prefill_worker_id=7), named(decode_worker_id=9))

    assert apart == WorkerIds(prefill=7, decode=9)


def test_last_worker_counts_where_a_stream_went_on_elsewhere() -> None:
    moved = stream_of(named(prefill_worker_id=7, decode_worker_id=9), named(decode_worker_id=8))

    assert moved == WorkerIds(prefill=7, decode=8)


def test_ranks_beside_the_workers_are_no_workers() -> None:
    ids = named(prefill_worker_id=7, prefill_dp_rank=0, decode_worker_id=9, decode_dp_rank=1)

    assert stream_of(ids) == WorkerIds(prefill=7, decode=9)


def test_real_answers_name_the_aggregated_worker_twice() -> None:
    records = load_records(STREAMS / "good.jsonl")
    asking = [each for each in records if "extra_fields" in each.generation.extra.get("nvext", {})]
    ids = {worker_ids(record) for record in asking}

    assert len(asking) == 3
    assert ids == {WorkerIds(16718752902624633792, 16718752902624633792)}
    assert {worker_ids(each) for each in records if each not in asking} == {WorkerIds()}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"nvext": None},
        {"nvext": {"worker_id": None}},
        {"nvext": {"worker_id": [7, 9]}},
        named(prefill_worker_id="7", decode_worker_id=None),
        named(prefill_worker_id=True, decode_worker_id=9.0),
    ],
    ids=json.dumps,
)
def test_what_is_no_id_names_nobody(odd: dict[str, Any]) -> None:
    assert stream_of(odd) == worker_ids(unary_of("Once", 1, ASKED, **odd)) == WorkerIds()


@given(body=st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_answer_is_too_odd(body: bytes) -> None:
    assert worker_ids(record_of(body, ASKED.unary())) == WorkerIds()
    assert worker_ids(record_of(b"data: " + body + b"\n\n", ASKED)) == WorkerIds()
