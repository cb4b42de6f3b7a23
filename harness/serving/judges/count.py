"""Judges of the counts: usage where it belongs, sums that add up, the limit kept and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.serving.answer import as_usage, chunks, finish_reason, usage
from harness.serving.finding import Finding, found
from harness.serving.record import Record
from harness.serving.sse import Event


def usage_place(record: Record) -> Finding | None:
    """Judge that usage is there if and only if asked for; a whole answer always has it.

    In a stream it has a last chunk of its own, without choices; other chunks carry none, unless the
    request asks for the usage so far (``continuous_usage_stats``).
    """
    if not record.streamed:
        missing = usage(record) is None
        return found("usage", "usage in the answer", "none well-formed") if missing else None
    if record.generation.wants_usage:
        return _last_has_usage(record) or _others_have_none(record)
    return _none_has_usage(chunks(record), "no usage, for none was asked for")


def usage_sum(record: Record) -> Finding | None:
    """Judge that prompt and completion tokens are counted and add up to the total."""
    seen = usage(record)
    if seen is None:
        return None  # whether it has to be there is for `usage_place` to say
    adds_up = seen.prompt_tokens + seen.completion_tokens == seen.total_tokens
    if adds_up and seen.prompt_tokens > 0 and seen.completion_tokens > 0:
        return None
    return found("usage-sum", "prompt + completion = total, each above 0", str(seen))


def length(record: Record) -> Finding | None:
    """Judge that ``length`` is said if, and only if, the limit was reached; and that it is kept.

    Known only where the answer counts its tokens. An end token or a stop string may fall on the
    very last token allowed: then ``stop`` is right too, unless the request rules both out.
    """
    limit, seen, reason = record.generation.limit, usage(record), finish_reason(record)
    if limit is None or seen is None or reason is None or record.generation.choices != 1:
        return None
    told = f"finish_reason {reason!r} with {seen.completion_tokens} tokens"
    if seen.completion_tokens > limit:
        return found("length", f"at most {limit} tokens", told)
    if reason == "length" and seen.completion_tokens < limit:
        return found("length", f"'length' only at the limit of {limit} tokens", told)
    if reason != "length" and record.generation.runs_to_limit:
        return found("length", f"'length' at {limit} tokens, for nothing else ends it", told)
    return None


def _last_has_usage(record: Record) -> Finding | None:
    parts = chunks(record)
    event, last = parts[-1] if parts else (None, {})
    if as_usage(last.get("usage")) is not None and last.get("choices") == []:
        return None
    expected = "a last chunk with usage and without choices"
    return found("usage", expected, "none" if event is None else event.shown, event=event)


def _others_have_none(record: Record) -> Finding | None:
    if record.generation.wants_running_usage:
        return None
    return _none_has_usage(chunks(record)[:-1], "usage in the last chunk only")


def _none_has_usage(parts: list[tuple[Event, Mapping[str, Any]]], expected: str) -> Finding | None:
    for event, chunk in parts:
        if chunk.get("usage") is not None:
            return found("usage", expected, f"{chunk['usage']}"[:120], event=event)
    return None
