"""A small JSON value that satisfies a simple schema."""

from __future__ import annotations

import json
import re
from typing import Any

_PIECE = re.compile(r"\w{1,16}|\W{1,4}")
_SIMPLE: dict[str, Any] = {
    "string": "river",
    "integer": 7,
    "number": 0.5,
    "boolean": True,
    "null": None,
}


def example(schema: Any) -> Any:
    """Return a value for a schema of objects, lists and simple types; an object where it is empty.

    Limits such as ``pattern`` or ``minimum`` are not looked at.
    """
    if not isinstance(schema, dict):
        return {}
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        return [example(schema["items"])] if "items" in schema else []
    if isinstance(kind, str) and kind in _SIMPLE:
        return _SIMPLE[kind]
    members = schema.get("properties")
    members = members if isinstance(members, dict) else {}
    return {name: example(member) for name, member in members.items()}


def pieces_of(value: Any) -> tuple[str, ...]:
    """Return a value as JSON, cut into tokens."""
    return tuple(_PIECE.findall(json.dumps(value, separators=(",", ":"))))
