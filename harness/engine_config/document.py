"""A YAML file as a mapping, with the line of every key and all that is wrong with the keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from harness.engine_config.keys import Section
from harness.engine_config.problem import Problem, broken
from harness.engine_config.table import check_keys
from harness.errors import EngineConfigError

_DEEPEST = 3  # sections lie two deep; a limit also ends the walk of an alias that holds itself


@dataclass(frozen=True)
class Document:
    """One file as read. ``values`` has the keys that are well typed, dotted, and no others."""

    path: Path
    sha256: str
    raw: Mapping[str, Any]
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    problems: tuple[Problem, ...]

    def line(self, *keys: str) -> int:
        """Return the line of the first of the dotted keys that the file has, else 1."""
        return next((self.lines[key] for key in keys if key in self.lines), 1)

    def suspects(self, *keys: str) -> bool:
        """Tell whether one of the keys is already reported, so that no rule should build on it."""
        touched = {name for each in self.problems for name in (each.key, each.meant)}
        return any(key in touched or key.partition(".")[0] in touched for key in keys)

    def problem(self, key: str, text: str, *, near: str = "") -> Problem:
        """Return a problem of a key; ``near`` lends its line when the file lacks the key."""
        return Problem(self.path, self.line(key, near), key, text)


def read_document(path: Path, section: Section) -> Document:
    """Read a file whose top level is ``section``; problems of single keys are only collected.

    Raises :class:`EngineConfigError` when there is no mapping to speak of: the file is missing,
    cannot be read, is not YAML, is empty, or holds something else.
    """
    content = _read(path)
    root, loaded = _parse(path, content)
    if not isinstance(root, yaml.MappingNode) or not isinstance(loaded, dict):
        seen = "an empty file" if loaded is None else f"a {type(loaded).__name__}"
        raise EngineConfigError(
            f"{path}:1: {broken('a mapping of keys', seen)}",
            hint="the file may be cut short; the recipes in engine_configs/ show the format",
        )
    raw = {str(key): value for key, value in loaded.items()}
    lines: dict[str, int] = {}
    twice = [Problem(path, line, key, text) for key, line, text in _walk(root, "", lines)]
    values, problems = check_keys(path, section, raw=raw, lines=lines)
    digest = hashlib.sha256(content).hexdigest()
    return Document(path, digest, raw, values, lines, (*twice, *problems))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise EngineConfigError(f"{path} does not exist", hint=_neighbours(path)) from None
    except OSError as error:
        raise EngineConfigError(f"{path} cannot be read: {error.strerror}") from None


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either"
    there = sorted(each.name for each in path.parent.glob("*.yaml"))
    close = get_close_matches(path.name, there, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"in that folder: {', '.join(there) or 'no .yaml file'}"


def _parse(path: Path, content: bytes) -> tuple[yaml.Node | None, Any]:
    try:
        return yaml.compose(content, Loader=yaml.SafeLoader), yaml.safe_load(content)
    except yaml.YAMLError as invalid:
        mark = getattr(invalid, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        what = getattr(invalid, "problem", None) or " ".join(str(invalid).split())
        raise EngineConfigError(f"{path}:{line}: not valid YAML: {what}") from None
    except ValueError as invalid:  # a date such as 2026-13-40
        raise EngineConfigError(f"{path}:1: holds a value YAML cannot read: {invalid}") from None


def _walk(
    node: yaml.MappingNode, prefix: str, lines: dict[str, int]
) -> Iterator[tuple[str, int, str]]:
    """Note every key's line in ``lines``; yield key, line and text of a key that stands twice."""
    first: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = f"{prefix}{key_node.value}"
        line = key_node.start_mark.line + 1
        if key in first:
            yield (
                key,
                line,
                f"stands twice, first on line {first[key]}; only the last counts: keep one",
            )
        first.setdefault(key, line)
        lines[key] = line
        if isinstance(value_node, yaml.MappingNode) and key.count(".") < _DEEPEST:
            yield from _walk(value_node, f"{key}.", lines)
