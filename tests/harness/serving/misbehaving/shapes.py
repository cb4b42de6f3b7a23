"""Choices as the JSON of OpenAI's API: chat or plain completions, streamed or whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from zlib import crc32

from tests.harness.serving.misbehaving.ask import Ask
from tests.harness.serving.misbehaving.choices import Choice
from tests.harness.serving.misbehaving.hooks import Json
from tests.harness.serving.misbehaving.logprobs import chat_logprobs, plain_logprobs


class Shape(Protocol):
    """How one choice is said; every method gives new objects, which hooks may change."""

    id_prefix: str
    whole_type: str
    part_type: str

    def opening(self, choice: Choice) -> list[Json]:
        """Return what comes before the first token."""

    def piece(self, choice: Choice, at: int) -> Json:
        """Return the token with that number, from 0."""

    def closing(self, choice: Choice) -> Json:
        """Return the end."""

    def whole(self, choice: Choice) -> Json:
        """Return the choice of an answer in one piece."""


class ChatShape:
    """Chat completions, tool calls among them."""

    id_prefix = "chatcmpl"
    whole_type = "chat.completion"
    part_type = "chat.completion.chunk"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def opening(self, choice: Choice) -> list[Json]:
        """Return the role; of a tool call also its head."""
        delta: Json = {"role": "assistant", "content": None if choice.tool else ""}
        if choice.tool:
            delta["tool_calls"] = [{"index": 0, **self._call(choice, "")}]
        return [self._part(choice, delta)]

    def piece(self, choice: Choice, at: int) -> Json:
        """Return a token as content, or as part of the arguments of a tool call."""
        piece = choice.pieces[at]
        if choice.tool:
            return self._part(
                choice, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
            )
        return self._part(choice, {"content": piece}) | self._logprobs([piece])

    def closing(self, choice: Choice) -> Json:
        """Return the finish reason with an empty delta."""
        return self._part(choice, {}) | {"finish_reason": choice.finish_reason}

    def whole(self, choice: Choice) -> Json:
        """Return the whole message."""
        text = "".join(choice.pieces)
        message: Json = {"role": "assistant", "content": None if choice.tool else text}
        if choice.tool:
            message["tool_calls"] = [self._call(choice, text)]
        said = {"index": choice.index, "message": message, "finish_reason": choice.finish_reason}
        return said | self._logprobs([] if choice.tool else choice.pieces)

    def _part(self, choice: Choice, delta: Json) -> Json:
        return {"index": choice.index, "delta": delta, "finish_reason": None}

    def _call(self, choice: Choice, arguments: str) -> Json:
        number = f"call_{crc32(self._ask.key.encode()):08x}{choice.index}"
        function = {"name": choice.tool, "arguments": arguments}
        return {"id": number, "type": "function", "function": function}

    def _logprobs(self, tokens: Sequence[str]) -> Json:
        alternatives = self._ask.logprobs
        return {} if alternatives is None else {"logprobs": chat_logprobs(tokens, alternatives)}


class PlainShape:
    """Plain completions."""

    id_prefix = "cmpl"
    whole_type = "text_completion"
    part_type = "text_completion"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def opening(self, choice: Choice) -> list[Json]:
        """Return nothing: a plain completion has no role to say."""
        del choice
        return []

    def piece(self, choice: Choice, at: int) -> Json:
        """Return a token as text."""
        counts = self._ask.logprobs is not None
        offset = sum(map(len, choice.pieces[:at])) if counts else 0
        return self._part(choice, [choice.pieces[at]], offset)

    def closing(self, choice: Choice) -> Json:
        """Return the finish reason with an empty text."""
        said = {"text": "", "logprobs": None, "finish_reason": choice.finish_reason}
        return {"index": choice.index, **said}

    def whole(self, choice: Choice) -> Json:
        """Return the whole text."""
        return self._part(choice, choice.pieces, 0) | {"finish_reason": choice.finish_reason}

    def _part(self, choice: Choice, tokens: Sequence[str], offset: int) -> Json:
        wanted = self._ask.logprobs
        logprobs = None if wanted is None else plain_logprobs(tokens, wanted, offset=offset)
        said = {"text": "".join(tokens), "logprobs": logprobs, "finish_reason": None}
        return {"index": choice.index, **said}


def shape_of(ask: Ask) -> Shape:
    """Return the shape of the answers to ``ask``."""
    return ChatShape(ask) if ask.chat else PlainShape(ask)


def usage_of(ask: Ask, choices: Sequence[Choice]) -> Json:
    """Return the usage of an answer; the prompt counts once."""
    completion = sum(choice.tokens for choice in choices)
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": ask.prompt_tokens + completion,
    }


def chunks(
    shape: Shape, choices: Sequence[Choice], *, head: Mapping[str, Any], usage: Json | None
) -> Iterator[Json]:
    """Give the chunks of a stream: the choices side by side, their ends, then usage if any."""

    def chunk(part: Json) -> Json:
        return {**head, "choices": [part]}

    for choice in choices:
        yield from map(chunk, shape.opening(choice))
    for at in range(max((len(choice.pieces) for choice in choices), default=0)):
        for choice in choices:
            if at < len(choice.pieces):
                yield chunk(shape.piece(choice, at))
    for choice in choices:
        yield chunk(shape.closing(choice))
    if usage is not None:
        yield {**head, "choices": [], "usage": usage}


def whole(shape: Shape, choices: Sequence[Choice], *, head: Mapping[str, Any], usage: Json) -> Json:
    """Return an answer in one piece."""
    return {**head, "choices": [shape.whole(choice) for choice in choices], "usage": usage}
