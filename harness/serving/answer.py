"""Read an answer: its text, why it ended, its usage, who gave it. Streamed and whole alike.

Everything here takes any bytes a server may send: what is malformed is left out here,
for a judge to name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from harness.serving.record import Record
from harness.serving.sse import Event


@dataclass(frozen=True)
class Logprob:
    """One token's log-probability as the server told it, and how many alternatives came with it.

    ``value`` is ``None`` where it is no number.
    """

    token: str
    value: float | None
    alternatives: int


@dataclass(frozen=True)
class Delta:
    """One choice of one chunk, or of a whole answer (then ``event`` is ``None``)."""

    event: Event | None
    index: int
    role: str | None
    content: str
    reasoning: str
    tool_calls: tuple[Mapping[str, Any], ...]
    finish_reason: str | None
    logprobs: tuple[Logprob, ...] | None
    """``None`` where the choice carries none."""

    @property
    def says_something(self) -> bool:
        """Whether it carries text or a tool call."""
        return bool(self.content or self.reasoning or self.tool_calls)


@dataclass(frozen=True)
class Usage:
    """Tokens counted by the server."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


def chunks(record: Record) -> list[tuple[Event, Mapping[str, Any]]]:
    """Return the events of a stream that are JSON objects and no errors, each with its object."""
    return [
        (event, event.json)
        for event in record.events
        if isinstance(event.json, dict) and not is_error(event)
    ]


def is_error(event: Event) -> bool:
    """Whether an event tells of an error instead of carrying a chunk."""
    whole = event.json
    told = isinstance(whole, dict) and (whole.get("error") or whole.get("object") == "error")
    return bool(told) or event.name == "error"


def deltas(record: Record) -> list[Delta]:
    """Return all well-formed choices in order, of a stream or of a whole answer."""
    if record.streamed:
        pairs = [(event, choice) for event, chunk in chunks(record) for choice in _choices(chunk)]
        return [_delta(event, choice) for event, choice in pairs]
    return [_delta(None, choice) for choice in _choices(record.json)]


def joined_text(record: Record, index: int = 0) -> str:
    """Return the whole text of a choice: reasoning, then content."""
    return "".join(joined_parts(record, index))


def joined_parts(record: Record, index: int = 0) -> tuple[str, str]:
    """Return reasoning and content of a choice, each whole."""
    mine = [delta for delta in deltas(record) if delta.index == index]
    return "".join(delta.reasoning for delta in mine), "".join(delta.content for delta in mine)


def finish_reason(record: Record, index: int = 0) -> str | None:
    """Return why a choice ended (the last reason said), or ``None`` when none is said."""
    reasons = [delta.finish_reason for delta in deltas(record) if delta.index == index]
    return next((reason for reason in reversed(reasons) if reason is not None), None)


def usage(record: Record) -> Usage | None:
    """Return the final usage, or ``None`` when the answer carries none that is well-formed."""
    if record.streamed:
        said = [chunk.get("usage") for _, chunk in chunks(record)]
        return next((usage for usage in map(as_usage, reversed(said)) if usage is not None), None)
    return as_usage(record.json.get("usage")) if isinstance(record.json, dict) else None


def as_usage(raw: Any) -> Usage | None:
    """Return ``raw`` as usage, or ``None`` when it is not three whole numbers."""
    if not isinstance(raw, dict):
        return None
    counts = [raw.get(key) for key in ("prompt_tokens", "completion_tokens", "total_tokens")]
    whole = [count for count in counts if isinstance(count, int) and not isinstance(count, bool)]
    return Usage(*whole) if len(whole) == len(counts) else None


def first_token_s(record: Record) -> float | None:
    """Return when the first text or tool call of a stream came, seconds after the start."""
    events = (delta.event for delta in deltas(record) if delta.says_something)
    return next((event.at_s for event in events if event is not None), None)


def error_message(record: Record) -> str:
    """Return the words of an error answer, in OpenAI's form or Dynamo's own; ``""`` if none."""
    for path in (("error", "message"), ("message",), ("error",)):
        words = _at(record.json, *path)
        if isinstance(words, str):
            return words
    return ""


def _choices(answer: Any) -> Iterator[Mapping[str, Any]]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("index"), int):
            yield choice


def _delta(event: Event | None, choice: Mapping[str, Any]) -> Delta:
    """Return one choice; of a plain completion the text stands in the choice itself."""
    key = "message" if event is None else "delta"
    inner = choice.get(key)
    said: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    reason = choice.get("finish_reason")
    return Delta(
        event=event,
        index=choice["index"],
        role=_text(said.get("role")) or None,
        content=_text(said.get("content")) or _text(choice.get("text")),
        reasoning=_text(said.get("reasoning_content")),
        tool_calls=tuple(_objects(said.get("tool_calls"))),
        finish_reason=None if reason is None else str(reason),
        logprobs=_logprobs(choice.get("logprobs")),
    )


def _logprobs(told: Any) -> tuple[Logprob, ...] | None:
    """Return logprobs in either form: a chat's list of tokens, or a completion's lists."""
    if not isinstance(told, dict):
        return None
    if isinstance(told.get("content"), list):
        return tuple(
            _logprob(each.get("token"), each.get("logprob"), each.get("top_logprobs"))
            for each in _objects(told["content"])
        )
    lists = [told.get(key) or [] for key in ("tokens", "token_logprobs", "top_logprobs")]
    tokens, values, alternatives = (each if isinstance(each, list) else [] for each in lists)
    return tuple(
        _logprob(token, *pair)
        for token, *pair in zip_longest(tokens, values[: len(tokens)], alternatives[: len(tokens)])
    )


def _logprob(token: Any, value: Any, alternatives: Any) -> Logprob:
    number = type(value) in {int, float}
    counted = len(alternatives) if isinstance(alternatives, (list, dict)) else 0
    return Logprob(_text(token), float(value) if number else None, counted)


def _objects(raw: Any) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in raw if isinstance(each, dict)) if isinstance(raw, list) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
