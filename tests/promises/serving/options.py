"""Options of a request that not every server serves: asked only of those that declare them."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.serving import Chat, Complete, Needs
from harness.features import Feature
from harness.serving.answer import deltas, finish_reason, joined_text, usage
from harness.serving.judgement import Judging

USAGE = {"stream_options": {"include_usage": True}}
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a town.",
            "parameters": {
                "type": "object",
                "properties": {"town": {"type": "string"}},
                "required": ["town"],
            },
        },
    }
]
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "town",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
            "required": ["name", "people"],
        },
    },
}
PROMPT = "Tell me of a town by the sea."
SEED = 20261125


def _form(*, stream: bool) -> dict[str, Any]:
    return {"stream": True, **USAGE} if stream else {"stream": False}


@pytest.mark.lifecycle("serve")
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
class OptionPromises:
    """What holds of options where they are declared."""

    def test_stop_string_ends_the_answer(
        self, needs: Needs, chat: Chat, judge: Judging, *, stream: bool
    ) -> None:
        """An answer ends before a stop string that it would have said, and says `stop`."""
        needs(Feature.STOP)
        needs(Feature.EQUAL_ANSWERS)
        whole = joined_text(chat(PROMPT, max_tokens=32, stream=False))
        stop = whole.split()[8]
        record = chat(PROMPT, max_tokens=32, extra={"stop": [stop]}, **_form(stream=stream))

        assert not judge.answer(record)
        assert finish_reason(record) == "stop"
        assert whole.startswith(joined_text(record))

    def test_stop_string_that_never_comes_changes_nothing(
        self, needs: Needs, chat: Chat, judge: Judging, *, stream: bool
    ) -> None:
        """An answer that never says its stop string is what it would have been without."""
        needs(Feature.STOP)
        needs(Feature.EQUAL_ANSWERS)
        without = chat(PROMPT, max_tokens=24, **_form(stream=stream))
        record = chat(PROMPT, max_tokens=24, extra={"stop": "☃ never ☃"}, **_form(stream=stream))

        assert not judge.answer(without, record)
        assert not judge.same(without, record)

    def test_answer_without_end_token_runs_to_its_limit(
        self, needs: Needs, chat: Chat, judge: Judging, *, stream: bool
    ) -> None:
        """With `ignore_eos` an answer has all the tokens that it may have, and says `length`."""
        needs(Feature.IGNORE_EOS)
        extra = {"ignore_eos": True}
        record = chat(PROMPT, max_tokens=40, extra=extra, **_form(stream=stream))
        counted = usage(record)

        assert not judge.answer(record)
        assert counted is not None
        assert counted.completion_tokens == 40

    @pytest.mark.parametrize("choices", [2, 4])
    def test_choices_come_as_many_as_asked_for(
        self, needs: Needs, chat: Chat, judge: Judging, choices: int, *, stream: bool
    ) -> None:
        """`n` choices come, numbered from 0, each with its role, its text and its end."""
        needs(Feature.CHOICES)
        record = chat(
            PROMPT, max_tokens=12, temperature=0.8, extra={"n": choices}, **_form(stream=stream)
        )

        assert not judge.answer(record)

    @pytest.mark.parametrize("alternatives", [0, 2])
    def test_logprobs_come_where_asked_for(
        self, needs: Needs, chat: Chat, judge: Judging, alternatives: int, *, stream: bool
    ) -> None:
        """Every piece of text comes with its tokens' logprobs and the alternatives asked for."""
        needs(Feature.LOGPROBS)
        extra = {"logprobs": True, "top_logprobs": alternatives}
        record = chat(PROMPT, max_tokens=8, extra=extra, **_form(stream=stream))

        assert not judge.answer(record)

    def test_plain_logprobs_come_where_asked_for(
        self, needs: Needs, complete: Complete, judge: Judging, *, stream: bool
    ) -> None:
        """A plain completion tells logprobs in its own form."""
        needs(Feature.LOGPROBS)
        record = complete(PROMPT, max_tokens=8, extra={"logprobs": 2}, **_form(stream=stream))

        assert not judge.answer(record)

    def test_equal_seeds_give_equal_answers(
        self, needs: Needs, chat: Chat, judge: Judging, *, stream: bool
    ) -> None:
        """With one seed a sampled answer comes again."""
        needs(Feature.EQUAL_ANSWERS)
        first, second = (
            chat(PROMPT, max_tokens=24, temperature=0.8, seed=SEED, **_form(stream=stream))
            for _ in range(2)
        )

        assert not judge.answer(first, second)
        assert not judge.same(first, second)

    def test_answers_stay_equal_over_many_batches(
        self, needs: Needs, chat: Chat, judge: Judging, *, stream: bool
    ) -> None:
        """The tenth answer to a request at temperature 0 is the first: no batch leaves traces."""
        needs(Feature.EQUAL_ANSWERS)
        records = [chat(PROMPT, max_tokens=12, **_form(stream=stream)) for _ in range(10)]

        assert not judge.answer(*records)
        assert not judge.same(*records)

    @pytest.mark.parametrize("choice", ["none", "auto"])
    def test_tools_are_taken(
        self, needs: Needs, chat: Chat, judge: Judging, choice: str, *, stream: bool
    ) -> None:
        """A request that offers tools is answered whole; a call is well-formed, if there is one."""
        needs(Feature.TOOLS)
        extra = {"tools": TOOLS, "tool_choice": choice}
        record = chat(PROMPT, max_tokens=48, extra=extra, **_form(stream=stream))

        assert not judge.answer(record)

    @pytest.mark.parametrize("choice", ["required", "named"])
    def test_tool_is_called_where_one_must_be(
        self, needs: Needs, chat: Chat, judge: Judging, choice: str, *, stream: bool
    ) -> None:
        """With `tool_choice` `required`, or a function's name, the answer is a well-formed call."""
        needs(Feature.TOOL_CALLS)
        named = {"type": "function", "function": {"name": TOOLS[0]["function"]["name"]}}
        extra = {"tools": TOOLS, "tool_choice": named if choice == "named" else choice}
        record = chat("Weather in Brest?", max_tokens=128, extra=extra, **_form(stream=stream))

        assert not judge.answer(record)
        assert any(delta.tool_calls for delta in deltas(record))

    @pytest.mark.parametrize("kind", ["json_object", "json_schema"])
    def test_answer_is_json_where_asked_for(
        self, needs: Needs, chat: Chat, judge: Judging, kind: str, *, stream: bool
    ) -> None:
        """With `response_format` the text is a JSON object, with the schema's members."""
        needs(Feature.JSON_TEXT)
        wanted = SCHEMA if kind == "json_schema" else {"type": kind}
        extra = {"response_format": wanted}
        record = chat(
            "Describe a town in JSON.", max_tokens=256, extra=extra, **_form(stream=stream)
        )
        members = ["name", "people"] if kind == "json_schema" else []

        assert not judge.answer(record)
        assert not judge.json_text(record, members=members)
