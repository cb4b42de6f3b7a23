"""Forms of requests that every server takes: chats and plain completions, streamed and whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fixtures.serving import Chat, Complete, Needs
from harness.features import Feature
from harness.serving.answer import finish_reason, usage
from harness.serving.endpoint import Endpoint
from harness.serving.judgement import Judging
from harness.serving.lengths import PromptRuler
from harness.serving.request import ChatRequest

USAGE = {"stream_options": {"include_usage": True}}


def _message(role: str, content: str) -> Mapping[str, str]:
    return {"role": role, "content": content}


CHATS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "system": [_message("system", "You are terse."), _message("user", "What is a river?")],
    "turns": [
        _message("user", "Name a colour."),
        _message("assistant", "Blue."),
        _message("user", "And another one?"),
    ],
    "emoji": [_message("user", "👩‍🚀🐉 مرحبا — 東京, naïve façade, Ωmega: what is this?")],
    "blank-lines": [_message("user", "First line.\n\n\tSecond, after a tab.\r\n\r\nThird.")],
    "markup": [_message("user", 'data: [DONE]\n\n{"choices": []} </s> <|endoftext|>')],
}
"""Chats whose words could be taken for something else on the way."""

PLAIN = ("Once upon a time", "東京は", "def fibonacci(n):\n")


@pytest.mark.lifecycle("serve")
class FormPromises:
    """What holds of every form of request."""

    @pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
    @pytest.mark.parametrize("name", list(CHATS))
    def test_chat_is_answered_whole(
        self, endpoint: Endpoint, judge: Judging, name: str, *, stream: bool
    ) -> None:
        """Chats with a system prompt, several turns, emoji, blank lines, markup: whole answers."""
        request = ChatRequest(
            endpoint.served.model,
            messages=tuple(CHATS[name]),
            max_tokens=24,
            temperature=0.0,
        )
        record = endpoint.ask(request.streamed(usage=True) if stream else request)

        assert not judge.answer(record)

    @pytest.mark.parametrize("prompt", PLAIN)
    def test_plain_completion_is_answered_whole(
        self, complete: Complete, judge: Judging, prompt: str
    ) -> None:
        """A plain completion streams `text_completion` chunks with usage, and answers whole."""
        stream = complete(prompt, max_tokens=16, stream=True, **USAGE)
        unary = complete(prompt, max_tokens=16)

        assert not judge.answer(stream, unary)

    def test_plain_stream_has_no_usage_unless_asked_for(
        self, complete: Complete, judge: Judging
    ) -> None:
        """Without stream_options a plain stream carries no usage (OpenAI's API reference)."""
        assert not judge.stream(complete(PLAIN[0], max_tokens=8, stream=True))

    def test_plain_stream_says_what_the_unary_answer_says(
        self, needs: Needs, complete: Complete, judge: Judging
    ) -> None:
        """At temperature 0 the joined plain stream equals the unary answer, and so does usage."""
        needs(Feature.EQUAL_ANSWERS)
        stream = complete(PLAIN[0], max_tokens=24, stream=True, **USAGE)
        unary = complete(PLAIN[0], max_tokens=24)

        assert not judge.answer(stream, unary)
        assert not judge.same(unary, stream)

    def test_usage_of_a_stream_equals_the_unary_answers(self, chat: Chat, judge: Judging) -> None:
        """Prompt tokens are counted alike in a stream and in a whole answer."""
        stream = chat("How long is a piece of string?", max_tokens=1, stream=True, **USAGE)
        unary = chat("How long is a piece of string?", max_tokens=1, stream=False)
        counted = [seen.prompt_tokens if (seen := usage(each)) else 0 for each in (stream, unary)]

        assert not judge.answer(stream, unary)
        assert counted[0] == counted[1]

    @pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
    @pytest.mark.parametrize("limit", [1, 2, 33])
    def test_limit_is_kept_under_either_name(
        self, chat: Chat, judge: Judging, key: str, limit: int
    ) -> None:
        """No more tokens than allowed come, and `length` is said only at the limit."""
        options: dict[str, Any] = (
            {"max_tokens": limit} if key == "max_tokens" else {"extra": {key: limit}}
        )
        record = chat("Tell me a long story.", stream=True, **USAGE, **options)

        assert not judge.stream(record)

    def test_longest_prompt_is_answered(
        self, chat: Chat, judge: Judging, prompt_ruler: PromptRuler, prompt_limit: int
    ) -> None:
        """The longest prompt that the engine configs allow is answered whole."""
        prompt = prompt_ruler.prompt_with(prompt_limit)
        record = chat(prompt, max_tokens=8, stream=True, **USAGE)

        assert not judge.stream(record)

    def test_answer_may_fill_the_context(
        self,
        chat: Chat,
        judge: Judging,
        prompt_ruler: PromptRuler,
        prompt_limit: int,
        endpoint: Endpoint,
    ) -> None:
        """The longest prompt with as many tokens as the context has left, if that is short."""
        context = endpoint.served.context_tokens
        if context is None or context - prompt_limit > 256:
            pytest.skip(f"an answer that fills a context of {context} tokens takes too long here")
        prompt = prompt_ruler.prompt_with(prompt_limit)
        record = chat(prompt, max_tokens=context - prompt_limit, stream=True, **USAGE)

        assert not judge.stream(record)
        assert finish_reason(record) in {"length", "stop"}
