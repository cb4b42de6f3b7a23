"""Answers that have to be something else than plain text: JSON, or a tool call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.harness.serving.misbehaving.fields import field, needed, wrong_type, wrong_value
from tests.harness.serving.misbehaving.reply import Refused
from tests.harness.serving.misbehaving.schema import example, pieces_of

_CHOICES = ("none", "auto", "required")
_FORMATS = ("text", "json_object", "json_schema")


@dataclass(frozen=True)
class Form:
    """The tokens of JSON to answer; with ``tool`` they are the arguments of a call of it."""

    pieces: tuple[str, ...]
    tool: str | None = None


def asked_form(raw: Mapping[str, Any]) -> Form | None:
    """Return the form that a chat request asks for, ``None`` for plain text."""
    wanted = _format(raw)
    return _tool_call(raw) or wanted


def _format(raw: Mapping[str, Any]) -> Form | None:
    asked: dict[str, Any] = field(raw, "response_format", dict) or {"type": "text"}
    kind = needed(asked, "type", str)
    if kind not in _FORMATS:
        raise wrong_value("response_format.type", f"one of {', '.join(_FORMATS)}", kind)
    if kind == "text":
        return None
    if kind == "json_object":
        return Form(pieces_of({"answer": "river"}))
    schema = needed(needed(asked, "json_schema", dict), "schema", dict)
    return Form(pieces_of(example(schema)))


def _tool_call(raw: Mapping[str, Any]) -> Form | None:
    tools = {}
    for tool in field(raw, "tools", list) or []:
        if not isinstance(tool, dict):
            raise wrong_type("tools", "objects", tool)
        function = needed(tool, "function", dict)
        tools[needed(function, "name", str)] = field(function, "parameters", dict)
    choice: Any = field(raw, "tool_choice", str, dict)
    name = _chosen(choice, list(tools))
    return None if name is None else Form(pieces_of(example(tools[name])), tool=name)


def _chosen(choice: str | dict[str, Any] | None, tools: list[str]) -> str | None:
    """Return the tool to call; of tools that may be called (``auto``) none is."""
    if isinstance(choice, dict):
        name = needed(needed(choice, "function", dict), "name", str)
        if name not in tools:
            raise wrong_value("tool_choice", f"one of {tools}", name)
        return name
    if choice is not None and choice not in _CHOICES:
        raise wrong_value("tool_choice", f"one of {', '.join(_CHOICES)}", choice)
    if choice != "required":
        return None
    if not tools:
        raise Refused(400, "tool_choice: required, but there are no tools", code="missing_field")
    return tools[0]
