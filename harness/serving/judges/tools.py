"""Judges of what programs read: tool calls, and texts that were to be JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.serving.answer import deltas, finish_reason, joined_parts
from harness.serving.finding import Finding, Findings, found
from harness.serving.record import Record
from harness.serving.sse import strict_json


def tool_calls(record: Record) -> Finding | None:
    """Judge that every tool call names a tool that was offered and has arguments in JSON.

    The last call of an answer that ran into its limit may have been cut in its arguments.
    """
    offered = _offered(record)
    for index in range(record.generation.choices):
        calls = list(_joined_calls(record, index).values())
        whole = len(calls) - (finish_reason(record, index) == "length")
        for number, call in enumerate(calls):
            if call["name"] not in offered:
                return found("tool-call", f"a tool of {sorted(offered)}", repr(call["name"]))
            if number < whole and not isinstance(strict_json(call["arguments"]), dict):
                seen = repr(call["arguments"][:120])
                return found("tool-call", f"arguments of {call['name']} as a JSON object", seen)
    return None


def judge_json_text(record: Record, *, members: tuple[str, ...] = ()) -> Findings:
    """Judge that a text which was to be a JSON object is one, and has ``members``.

    An answer that ran into its limit has not been brought to its end, and is judged no further.
    """
    if finish_reason(record) == "length":
        return Findings()
    _, text = joined_parts(record)
    value = strict_json(text)
    if not isinstance(value, dict):
        return Findings([found("json", "a text that is a JSON object", repr(text[:120]))])
    missing = [name for name in members if name not in value]
    if missing:
        return Findings([found("json", f"the members {list(members)}", f"no {missing}")])
    return Findings()


def _offered(record: Record) -> set[str]:
    tools = record.generation.extra.get("tools") or ()
    return {str(tool.get("function", {}).get("name")) for tool in tools if isinstance(tool, dict)}


def _joined_calls(record: Record, index: int) -> dict[int, dict[str, str]]:
    """Return name and arguments of each call; in a stream they come in pieces, by number."""
    calls: dict[int, dict[str, str]] = {}
    for delta in deltas(record):
        if delta.index != index:
            continue
        for place, piece in enumerate(delta.tool_calls):
            number = piece.get("index")
            key = number if isinstance(number, int) else place
            call = calls.setdefault(key, {"name": "", "arguments": ""})
            for name, text in _function(piece).items():
                call[name] += text
    return calls


def _function(piece: Mapping[str, Any]) -> dict[str, str]:
    told = piece.get("function")
    function: Mapping[str, Any] = told if isinstance(told, dict) else {}
    return {name: str(function.get(name) or "") for name in ("name", "arguments")}
