"""The judges of whole answers, and of two answers that have to agree."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.exchange import Outcome
from harness.serving import (
    Findings,
    finish_reason,
    first_token_s,
    joined_text,
    judge_unary,
    same_answer,
    usage,
)
from tests.harness.pure.serving_kit import (
    JSON_HEADERS,
    MODEL,
    asked,
    framed,
    good_chunks,
    record_of,
    unary_of,
)

ASKED = asked(max_tokens=3)
STREAM = record_of(framed(good_chunks(["Once ", "upon ", "a time"])), ASKED)
WHOLE = unary_of("Once upon a time", 3, ASKED)


def promises(findings: Findings) -> list[str]:
    return [finding.promise for finding in findings]


def choice(**changes: Any) -> list[dict[str, Any]]:
    message = {"role": "assistant", "content": "Once upon a time"}
    return [{"index": 0, "message": message, "finish_reason": "length"} | changes]


def test_good_whole_answer_is_accepted() -> None:
    assert not judge_unary(WHOLE)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": ""}, ["id"]),
        ({"created": "today"}, ["created"]),
        ({"model": "other"}, ["model"]),
        ({"object": "chat.completion.chunk"}, ["object"]),
        ({"choices": []}, ["order", "finish", "text"]),
        ({"choices": None}, ["shape", "order", "finish", "text"]),
        ({"choices": choice(index=1)}, ["order", "finish", "text"]),
        ({"choices": choice(finish_reason=None)}, ["finish"]),
        ({"choices": choice(message={"role": "user", "content": "hi"})}, ["role"]),
        ({"choices": choice(message={"role": "assistant", "content": ""})}, ["text"]),
        ({"usage": None}, ["usage"]),
        ({"usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 5}}, ["usage-sum"]),
        ({"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}, ["length"]),
        ({"usage": {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}}, ["length"]),
    ],
)
def test_mangled_whole_answer_is_found(changes: dict[str, Any], expected: list[str]) -> None:
    assert promises(judge_unary(unary_of("Once upon a time", 3, ASKED, **changes))) == expected


def test_body_that_is_no_json_is_found() -> None:
    record = record_of(b"<html>", ASKED.unary(), headers=JSON_HEADERS)

    assert promises(judge_unary(record))[0] == "shape"


def test_wrong_content_type_is_found() -> None:
    record = record_of(WHOLE.body, ASKED.unary(), headers=(("content-type", "text/html"),))

    assert promises(judge_unary(record)) == ["content-type"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("!" * 40, ["degenerate"]), ("Once \ufffd upon", ["characters"])],
)
def test_broken_text_is_found(text: str, expected: list[str]) -> None:
    assert promises(judge_unary(unary_of(text, 3, ASKED))) == expected


def test_broken_whole_answer_is_found() -> None:
    record = record_of(WHOLE.body[:-5], ASKED.unary(), outcome=Outcome.CUT, headers=JSON_HEADERS)

    assert promises(judge_unary(record)) == ["complete"]


def test_error_status_is_told_with_its_words() -> None:
    body = json.dumps({"message": "Model not found", "code": 404}).encode()
    record = record_of(body, ASKED.unary(), status=404, headers=JSON_HEADERS)

    assert "expected 200; seen 404: Model not found" in str(judge_unary(record))


def test_stream_and_whole_answer_are_read_alike() -> None:
    for record in (STREAM, WHOLE):
        assert joined_text(record) == "Once upon a time"
        assert finish_reason(record) == "length"
        assert usage(record) == usage(WHOLE)


def test_stream_and_whole_answer_agree() -> None:
    assert not same_answer(STREAM, WHOLE)


def test_swapped_events_are_found_beside_the_whole_answer() -> None:
    swapped = record_of(framed(good_chunks(["upon ", "Once ", "a time"])), ASKED)

    assert promises(same_answer(swapped, WHOLE)) == ["same-text"]
    assert "differing at 0" in str(same_answer(swapped, WHOLE))


def test_lost_event_is_found_beside_the_whole_answer() -> None:
    lossy = record_of(framed(good_chunks(["Once ", "a time"])), ASKED)

    assert promises(same_answer(lossy, WHOLE)) == ["same-text", "same-usage"]


def test_another_end_is_found_beside_the_whole_answer() -> None:
    stopped = unary_of("Once upon a time", 3, ASKED, choices=choice(finish_reason="stop"))

    assert promises(same_answer(STREAM, stopped)) == ["same-finish"]


def test_reasoning_is_part_of_the_text() -> None:
    message = {"role": "assistant", "reasoning_content": "Hm. ", "content": "Yes."}
    thoughtful = unary_of("", 3, ASKED, choices=choice(message=message))

    assert joined_text(thoughtful) == "Hm. Yes."


def test_first_token_is_timed_by_its_event() -> None:
    body = framed(good_chunks(["Once "]))
    late = record_of(body, asked(max_tokens=1), cuts=[5])

    assert first_token_s(late) == 0.002
    assert first_token_s(record_of(b"data: [DONE]\n\n", ASKED)) is None
    assert late.generation.model == MODEL
