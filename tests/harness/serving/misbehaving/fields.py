"""Members of a request's body, each read with the type and the range it has to have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from tests.harness.serving.misbehaving.reply import Refused

T = TypeVar("T")


def parsed(body: bytes) -> dict[str, Any]:
    """Return the body as a JSON object, or refuse it."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as malformed:
        raise Refused(400, f"the body is not JSON: {malformed}", code="invalid_json") from malformed
    if not isinstance(raw, dict):
        raise wrong_type("the body", "an object", raw)
    return raw


def field(raw: Mapping[str, Any], name: str, *kinds: type[T]) -> T | None:
    """Return a member of one of the types, ``None`` when it is absent or null."""
    value = raw.get(name)
    if value is None:
        return None
    for kind in kinds:
        if type(value) is kind:  # isinstance would take True for a number
            return value
    raise wrong_type(name, " or ".join(kind.__name__ for kind in kinds), value)


def needed(raw: Mapping[str, Any], name: str, *kinds: type[T]) -> T:
    """Return a member that may not be absent."""
    value = field(raw, name, *kinds)
    if value is None:
        raise Refused(400, f"{name}: this member is required", code="missing_field")
    return value


def whole_number(raw: Mapping[str, Any], name: str, *, low: int, high: int) -> int | None:
    """Return a whole number from ``low`` to ``high``, ``None`` when it is absent."""
    value = field(raw, name, int)
    if value is not None and not low <= value <= high:
        raise wrong_value(name, f"{low} to {high}", value)
    return value


def number(raw: Mapping[str, Any], name: str, *, low: float, high: float) -> float | None:
    """Return a number from ``low`` to ``high``, ``None`` when it is absent."""
    value = field(raw, name, float, int)
    if value is not None and not low <= value <= high:
        raise wrong_value(name, f"{low:g} to {high:g}", value)
    return value


def texts(raw: Mapping[str, Any], name: str, *, most: int) -> tuple[str, ...]:
    """Return a text or a list of at most ``most`` texts; empty when it is absent."""
    value: Any = field(raw, name, str, list)
    many = [value] if isinstance(value, str) else value or []
    if not all(isinstance(each, str) and each for each in many):
        raise wrong_type(name, "one or more texts that are not empty", value)
    if len(many) > most:
        raise wrong_value(name, f"at most {most} texts", len(many))
    return tuple(many)


def wrong_type(name: str, expected: str, seen: Any) -> Refused:
    """Return the refusal of a value of the wrong type."""
    shown = json.dumps(seen)[:80]
    return Refused(400, f"{name}: expected {expected}, seen {shown}", code="invalid_type")


def wrong_value(name: str, expected: str, seen: Any) -> Refused:
    """Return the refusal of a value out of its range."""
    return Refused(400, f"{name}: expected {expected}, seen {seen!r:.80}", code="invalid_value")
