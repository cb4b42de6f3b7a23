"""Holds the keys of a file against the table of known keys: names, then types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from harness.engine_config.keys import ENGINE, RELEASE, Section
from harness.engine_config.problem import Problem, broken

_SEEN_CHARS = 80


@dataclass(frozen=True)
class _Entry:
    """One key of the file, and the section of the table it stands in."""

    section: Section
    prefix: str
    name: str
    value: Any

    @property
    def key(self) -> str:
        return f"{self.prefix}{self.name}"


def check_keys(
    path: Path, section: Section, *, raw: Mapping[str, Any], lines: Mapping[str, int]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the well-typed values by dotted key, and a problem for every other key."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for entry in _entries(section, raw, prefix=""):
        line = lines.get(entry.key, 1)
        if entry.name not in entry.section.keys:
            text, meant = _unknown(entry, section)
            problems.append(Problem(path, line, entry.key, text, meant))
            continue
        try:
            values[entry.key] = _typed(entry.section.keys[entry.name], entry.value)
        except ValueError as mistyped:
            problems.append(Problem(path, line, entry.key, str(mistyped)))
    return values, problems


def _entries(section: Section, raw: Mapping[str, Any], *, prefix: str) -> Iterator[_Entry]:
    for key, value in raw.items():
        name = str(key)
        kind = section.keys.get(name)
        if isinstance(kind, Section) and isinstance(value, dict):
            yield from _entries(kind, value, prefix=f"{prefix}{name}.")
        else:
            yield _Entry(section, prefix, name, value)


def _unknown(entry: _Entry, top: Section) -> tuple[str, str]:
    """Return the text for an unknown key, and the dotted key that was probably meant."""
    text = f"not a key of TensorRT-LLM {RELEASE}"
    instead = (entry.section.renamed or {}).get(entry.name)
    if instead:
        meant = f"{entry.prefix}{instead}" if instead in entry.section.keys else ""
        return f"{text}; write {instead}", meant
    homes = _homes(entry.name, top)
    if homes:
        return f"{text} in this place; it belongs in {' or '.join(homes)}", ""
    close = get_close_matches(entry.name, list(entry.section.keys), n=1)
    if close:
        return f"{text}; did you mean {close[0]}?", f"{entry.prefix}{close[0]}"
    return f"{text}; remove it, or add it to the table of keys if your release has it", ""


def _homes(name: str, top: Section) -> list[str]:
    """Return the places of an engine config that do know a key."""
    if top is not ENGINE:
        return []
    sections = {where: kind for where, kind in top.keys.items() if isinstance(kind, Section)}
    nested = [where for where, kind in sections.items() if name in kind.keys]
    return [*(["the top level of the file"] if name in top.keys else []), *nested]


def _typed(kind: Any, value: object) -> object:
    """Return the value as its type; raise ValueError with what was expected and seen."""
    if kind is Any:
        return value
    if isinstance(kind, Section):
        if value is None and kind.nullable:
            return None
        raise ValueError(broken("a mapping of keys", _shown(value)))
    try:
        converted: object = _adapter(kind).validate_python(value)
    except ValidationError as invalid:
        expected = invalid.errors()[0]["msg"].removeprefix("Input should be ")
        raise ValueError(broken(expected, _shown(value), fix=_close(kind, value))) from None
    return converted


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SEEN_CHARS else f"{text[:_SEEN_CHARS]}..."


def _close(kind: Any, value: object) -> str:
    """Return a proposal for a value that nearly is an allowed word, however capitalised."""
    words = {str(each).lower(): str(each) for each in _words(kind)}
    close = get_close_matches(str(value).lower(), list(words), n=1)
    return f"did you mean {words[close[0]]}?" if close else ""


def _words(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(word for part in get_args(kind) for word in _words(part))
