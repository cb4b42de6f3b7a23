"""The judges of what programs read: tool calls, and texts that were to be JSON."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.serving import Record, judge_stream, judge_unary
from harness.serving.judges import judge_json_text
from tests.harness.pure.serving_kit import (
    Chunk,
    asked,
    counted,
    end,
    framed,
    head,
    promises,
    record_of,
    unary_of,
)

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("weather", "time")]
ASKED = asked(extra={"tools": TOOLS})
ARGUMENTS = '{"town": "Zürich", "days": [1, 2]}'
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def piece(number: int, **function: Any) -> Chunk:
    call = {"index": number, "function": function}
    delta = {"role": "assistant", "tool_calls": [call]}
    return head() | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def streamed(pieces: list[Chunk], reason: str = "tool_calls") -> Record:
    return record_of(framed([*pieces, end(reason), counted(9)]), ASKED)


def whole(calls: list[dict[str, Any]], reason: str = "tool_calls") -> Record:
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    return unary_of("", 9, ASKED, choices=choices)


def call(name: Any = "weather", arguments: Any = ARGUMENTS) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


@given(
    arguments=st.dictionaries(st.text(), JSON_VALUES).map(json.dumps),
    cuts=st.lists(st.integers(0, 20), max_size=5),
)
def test_call_is_accepted_in_any_pieces(arguments: str, cuts: list[int]) -> None:
    marks = sorted({0, *(cut for cut in cuts if cut < len(arguments)), len(arguments)})
    said = [arguments[a:b] for a, b in pairwise(marks)]
    pieces = [piece(0, name="weather"), *(piece(0, arguments=each) for each in said)]

    assert not judge_stream(streamed(pieces))
    assert not judge_unary(whole([call(arguments=arguments)]))


def test_calls_side_by_side_are_read_by_their_number() -> None:
    pieces = [
        piece(0, name="weather", arguments='{"to'),
        piece(1, name="time", arguments="{"),
        piece(0, arguments='wn": "Ulm"}'),
        piece(1, arguments="}"),
    ]

    assert not judge_stream(streamed(pieces))


@pytest.mark.parametrize("arguments", ["", "{", "[]", "5", '"{}"', ARGUMENTS[:-1], ARGUMENTS * 2])
def test_arguments_that_are_no_json_object_are_found(arguments: str) -> None:
    pieces = [piece(0, name="weather", arguments=arguments)]

    assert promises(judge_stream(streamed(pieces))) == ["tool-call"]
    assert promises(judge_unary(whole([call(arguments=arguments)]))) == ["tool-call"]


@pytest.mark.parametrize("name", ["", None, "wether", 5])
def test_tool_that_was_not_offered_is_found(name: object) -> None:
    findings = judge_unary(whole([call(), call(name)]))

    assert promises(findings) == ["tool-call"]
    assert "expected a tool of ['time', 'weather']" in str(findings)


def test_call_where_no_tool_was_offered_is_found() -> None:
    record = streamed([piece(0, name="weather", arguments="{}")])
    unasked = record_of(record.body, asked())

    assert promises(judge_stream(unasked)) == ["tool-call"]


def test_call_that_the_limit_cut_is_accepted() -> None:
    """Forty-eight tokens are few for a call: an honest server failed."""
    cut = [call(), call("time", '{"zone": "Eur')]

    assert not judge_unary(whole(cut, "length"))
    assert promises(judge_unary(whole(cut))) == ["tool-call"]
    assert promises(judge_unary(whole(cut[::-1], "length"))) == ["tool-call"]


def json_answer(text: str, reason: str = "stop", **message: Any) -> Record:
    said = {"role": "assistant", "content": text, **message}
    choices = [{"index": 0, "message": said, "finish_reason": reason}]
    return unary_of("", 3, asked(), choices=choices)


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_any_json_object_is_accepted(value: dict[str, Any]) -> None:
    record = json_answer(json.dumps(value))

    assert not judge_json_text(record, members=tuple(value))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1} and more', "```json\n{}\n```", "NaN"])
def test_text_that_is_no_json_object_is_found(text: str) -> None:
    assert promises(judge_json_text(json_answer(text))) == ["json"]


def test_missing_member_is_named() -> None:
    findings = judge_json_text(json_answer('{"name": "Ulm"}'), members=("name", "people"))

    assert "expected the members ['name', 'people']; seen no ['people']" in str(findings)


def test_json_that_the_limit_cut_is_accepted() -> None:
    assert not judge_json_text(json_answer('{"name": "U', "length"), members=("name",))


def test_reasoning_before_the_json_is_no_part_of_it() -> None:
    """Reasoning was joined to the text, and every answer of a reasoning model found wrong."""
    assert not judge_json_text(json_answer('{"a": 1}', reasoning_content="Let me see."))
