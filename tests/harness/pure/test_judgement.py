"""Judgements as files: what a test's judges said is kept, and said again of the saved records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.exchange import Outcome
from harness.serving import Findings, Record
from harness.serving.judgement import JUDGES, Judgement, Judging, judge_again, load_judgements
from harness.serving.request import CHAT_PATH, RawRequest
from tests.harness.pure.serving_kit import (
    JSON_HEADERS,
    asked,
    framed,
    good_chunks,
    record_of,
    timed,
    unary_of,
)

ASKED = asked(max_tokens=1)
BODY = framed(good_chunks(["{}"]))
STREAM = record_of(BODY, ASKED)
CUT = replace(record_of(BODY[:-9], ASKED, outcome=Outcome.CUT), request_id="cut")
SLOW = replace(timed(good_chunks(["{}"]), (1, 5, 5, 5), ASKED), request_id="slow")
UNARY = replace(unary_of("{}", 1, ASKED), request_id="unary")
OTHER = replace(unary_of("[]", 1, ASKED), request_id="other")
ENDED = replace(UNARY, arrivals=(), request_id="ended")
STOPPED = replace(
    record_of(framed([]), ASKED, outcome=Outcome.CANCELLED, status=200), request_id="stopped"
)
REFUSED = record_of(
    b'{"message": "no"}', RawRequest("POST", CHAT_PATH), status=400, headers=JSON_HEADERS
)
SILENT = record_of(b"", RawRequest("GET", CHAT_PATH), status=405)
WANTED = unary_of(
    "",
    1,
    ASKED,
    choices=[
        {"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}
    ],
)
TEST = "tests/serving/test_attached.py::TestForms::test_one[a-ü]"

CALLS: dict[str, tuple[Callable[[Judging], Findings], list[str], list[list[str]]]] = {
    "stream": (lambda judge: judge.stream(STREAM, CUT), ["stream"] * 2, [["id"], ["cut"]]),
    "stall": (lambda judge: judge.stream(SLOW), ["stream"], [["slow"]]),
    "unary": (lambda judge: judge.unary(UNARY, ENDED), ["unary"] * 2, [["unary"], ["ended"]]),
    "answer": (
        lambda judge: judge.answer(UNARY, CUT),
        ["unary", "stream"],
        [["unary"], ["cut"]],
    ),
    "cancelled": (
        lambda judge: judge.cancelled(STOPPED, CUT),
        ["cancelled"] * 2,
        [["stopped"], ["cut"]],
    ),
    "refusal": (lambda judge: judge.refusal(REFUSED, status=(400, 422)), ["refusal"], [["id"]]),
    "wrong refusal": (lambda judge: judge.refusal(REFUSED, status=(404,)), ["refusal"], [["id"]]),
    "silent refusal": (
        lambda judge: judge.refusal(SILENT, status=(405,), reason=False),
        ["refusal"],
        [["id"]],
    ),
    "same": (
        lambda judge: judge.same(STREAM, UNARY, OTHER),
        ["same answer"] * 2,
        [["id", "unary"], ["id", "other"]],
    ),
    "json": (lambda judge: judge.json_text(WANTED, members=["a"]), ["json"], [["id"]]),
}


def by_id(*records: Record) -> dict[str, Record]:
    return {record.request_id: record for record in records}


OF_CALL = {
    "refusal": by_id(REFUSED),
    "wrong refusal": by_id(REFUSED),
    "silent refusal": by_id(SILENT),
    "json": by_id(WANTED),
}
ALL = by_id(STREAM, CUT, SLOW, UNARY, OTHER, ENDED, STOPPED)


@pytest.mark.parametrize("name", CALLS)
def test_judgements_are_kept_and_made_again(tmp_path: Path, name: str) -> None:
    call, judges, records = CALLS[name]
    path = tmp_path / "judgements.jsonl"
    findings = call(Judging(path, test=TEST, stall_limit_s=2.0))
    kept = list(load_judgements(path))
    again = [judge_again(each, OF_CALL.get(name, ALL)) for each in kept]

    assert [each.judge for each in kept] == judges
    assert [list(each.records) for each in kept] == records
    assert {each.test for each in kept} == {TEST}
    assert [words for each in kept for words in each.findings] == list(map(str, findings))
    assert [tuple(map(str, each)) for each in again] == [each.findings for each in kept]


def test_words_of_a_refusal_are_promised_unless_told_otherwise(tmp_path: Path) -> None:
    judge = Judging(tmp_path / "judgements.jsonl", test=TEST)

    assert not judge.refusal(SILENT, status=(405,), reason=False)
    assert judge.refusal(SILENT, status=(405,))


def test_every_judge_is_used_and_finds_something_above() -> None:
    assert {judge for _, judges, _ in CALLS.values() for judge in judges} == set(JUDGES)


def test_limit_of_a_stall_is_kept_with_the_judgement(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    assert not Judging(path, test=TEST, stall_limit_s=9.0).stream(SLOW)
    [kept] = load_judgements(path)

    assert kept.options == {"stall_limit_s": 9.0}
    assert "stall" in str(judge_again(replace(kept, options={"stall_limit_s": 3.0}), ALL))


def test_tests_of_a_run_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    for test in ("a", "b"):
        Judging(path, test=test).stream(STREAM)

    assert [each.test for each in load_judgements(path)] == ["a", "b"]


@given(
    st.builds(
        Judgement,
        test=st.text(),
        judge=st.text(),
        records=st.lists(st.text()).map(tuple),
        options=st.dictionaries(st.text(), st.integers() | st.lists(st.integers())),
        findings=st.lists(st.text(st.characters())).map(tuple),
    )
)
def test_judgement_is_loaded_without_loss(judgement: Judgement) -> None:
    line = judgement.to_line()

    assert Judgement.from_line(line) == judgement
    assert line.isascii()
    assert "\n" not in line


GOOD_LINE = Judgement(TEST, "stream", ("id",), {}, ()).to_line().encode()


@pytest.mark.parametrize(
    "damaged",
    [b"{}", b"[]", b"5", b"", GOOD_LINE[:-5], b"\xff", b"[" * 99999],
    ids=["object", "list", "number", "nothing", "half", "no-ascii", "deep"],
)
def test_damaged_judgement_is_named_with_its_line(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "judgements.jsonl"
    path.write_bytes(GOOD_LINE + b"\n" + damaged + b"\n" + GOOD_LINE + b"\n")

    with pytest.raises(HarnessError, match=rf"expected a judgement in line 2 of {path}"):
        list(load_judgements(path))


@pytest.mark.parametrize("size", [1, 40, len(GOOD_LINE)])
def test_unfinished_last_line_is_left_out(tmp_path: Path, size: int) -> None:
    path = tmp_path / "judgements.jsonl"
    path.write_bytes(GOOD_LINE + b"\n" + GOOD_LINE[:size])

    assert [each.test for each in load_judgements(path)] == [TEST]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"records": ["id", "gone"]}, "expected record gone"),
        ({"judge": "old"}, "expected judge 'old'"),
    ],
)
def test_what_is_missing_is_named_with_the_test(changes: dict[str, Any], words: str) -> None:
    judgement = Judgement.from_line(json.dumps({**json.loads(GOOD_LINE), **changes}))

    with pytest.raises(HarnessError) as missing:
        judge_again(judgement, ALL)
    assert words in str(missing.value)
    assert TEST in str(missing.value)
