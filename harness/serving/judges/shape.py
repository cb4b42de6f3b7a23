"""Judges of the answer's members: shape, identity, role, order, end of each choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.serving.answer import chunks, deltas
from harness.serving.finding import Finding, found
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.serving.sse import Event

Parts = list[tuple["Event | None", Mapping[str, Any]]]

REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
"""Values of ``finish_reason`` in OpenAI's API reference."""


def shape(record: Record) -> Finding | None:
    """Judge that every chunk, or the answer, has choices with a number and a delta or message."""
    chat = isinstance(record.request, ChatRequest)
    key = ("delta" if record.streamed else "message") if chat else "text"
    if not record.streamed and not isinstance(record.json, dict):
        body = record.body[:120].decode("utf-8", "replace")
        return found("shape", "a JSON object", repr(body))
    for event, part in _parts(record):
        wrong = _misshapen(part.get("choices"), key)
        if wrong:
            return found("shape", f"choices, each with index and {key}", wrong, event=event)
    return None


def identity(record: Record) -> Finding | None:
    """Judge that one non-empty id runs through the whole answer."""
    return _constant(record, "id", accepts=lambda value: isinstance(value, str) and value != "")


def created(record: Record) -> Finding | None:
    """Judge that one time of creation runs through the whole answer, a whole number."""
    return _constant(record, "created", accepts=lambda value: type(value) is int and value > 0)


def model(record: Record) -> Finding | None:
    """Judge that the answer comes from the model that was asked for, throughout."""
    wanted = record.generation.model
    expected = f"{wanted!r} throughout"
    return _constant(record, "model", accepts=lambda value: value == wanted, expected=expected)


def object_type(record: Record) -> Finding | None:
    """Judge that the answer names its own type, throughout."""
    asked = record.generation
    wanted = asked.chunk_object if record.streamed else asked.whole_object
    expected = f"{wanted!r} throughout"
    return _constant(record, "object", accepts=lambda value: value == wanted, expected=expected)


def role(record: Record) -> Finding | None:
    """Judge that every choice of a chat begins with the assistant's role and takes no other."""
    if not isinstance(record.request, ChatRequest):
        return None
    met: set[int] = set()
    for delta in deltas(record):
        allowed = {"assistant", None} if delta.index in met else {"assistant"}
        if delta.role not in allowed:
            expected = f"role 'assistant' at the start of choice {delta.index} and no other later"
            return found("role", expected, repr(delta.role), event=delta.event)
        met.add(delta.index)
    return None


def order(record: Record) -> Finding | None:
    """Judge that exactly the choices asked for came, numbered from 0."""
    wanted = set(range(record.generation.choices))
    expected = f"choices {sorted(wanted)}"
    for delta in deltas(record):
        if delta.index not in wanted:
            return found("order", expected, f"choice {delta.index}", event=delta.event)
    missing = wanted - {delta.index for delta in deltas(record)}
    return found("order", expected, f"nothing of {sorted(missing)}") if missing else None


def finish(record: Record) -> Finding | None:
    """Judge that every choice has exactly one known finish_reason, in its last part."""
    for index in range(record.generation.choices):
        mine = [delta for delta in deltas(record) if delta.index == index]
        ended = [delta for delta in mine if delta.finish_reason is not None]
        expected = f"one finish_reason for choice {index}, in its last part"
        if len(ended) != 1:
            second = ended[1].event if ended else None
            return found("finish", expected, f"{len(ended)} of them", event=second)
        if ended[0] is not mine[-1]:
            seen = f"{ended[0].finish_reason!r} before the end"
            return found("finish", expected, seen, event=ended[0].event)
        if ended[0].finish_reason not in REASONS:
            known = f"one of {sorted(REASONS)}"
            return found("finish", known, repr(ended[0].finish_reason), event=ended[0].event)
    return None


def _parts(record: Record) -> Parts:
    if record.streamed:
        return [(event, chunk) for event, chunk in chunks(record)]
    return [(None, record.json)] if isinstance(record.json, dict) else []


def _misshapen(choices: Any, key: str) -> str | None:
    if not isinstance(choices, list):
        return f"choices {choices!r}"[:120]
    for choice in choices:
        right = isinstance(choice, dict) and type(choice.get("index")) is int
        if not right or not isinstance(choice.get(key), str if key == "text" else dict):
            return f"{choice!r}"[:120]
    return None


def _constant(
    record: Record, key: str, *, accepts: Callable[[Any], bool], expected: str = ""
) -> Finding | None:
    parts = _parts(record)
    first = parts[0][1].get(key) if parts else None
    for event, part in parts:
        value = part.get(key)
        if value != first or not accepts(value):
            wanted = expected or f"one {key} throughout (the first is {first!r})"
            return found(key, wanted, repr(value), event=event)
    return None
