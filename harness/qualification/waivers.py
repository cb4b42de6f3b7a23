"""Known issues, read from ``known_issues.yaml``: a list, each entry with all keys of a waiver.

An entry that cannot be right (a key missing or unknown, a topology that does not exist, words that
every message has) is a :class:`SettingsError` with file and line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import SettingsError
from harness.settings import PROJECT_ROOT
from harness.topology_names import TOPOLOGY_NAMES

KNOWN_ISSUES = PROJECT_ROOT / "known_issues.yaml"


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern fits a whole text; ``*`` stands for any characters, all else for itself.

    Brackets have to stand for themselves: test ids have them.
    """
    regex = ".*".join(map(re.escape, pattern.split("*")))
    return re.fullmatch(regex, text, re.DOTALL) is not None


def _topology(pattern: str) -> str:
    if not any(fits(pattern, name) for name in TOPOLOGY_NAMES):
        raise ValueError(f"unknown topology; known: {', '.join(TOPOLOGY_NAMES)}, or '*'")
    return pattern


_Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    test: _Text | None = None
    promise: _Text | None = None
    topology: Annotated[_Text, AfterValidator(_topology)]
    message: _Text
    link: Annotated[str, Field(pattern=r"^https?://\S+$")]
    owner: _Text
    expires: date

    @model_validator(mode="after")
    def _one_name(self) -> _Entry:
        if (self.test is None) == (self.promise is None):
            raise ValueError("give `test` or `promise`, and only one of them")
        return self


@dataclass(frozen=True)
class Waiver:
    """One known issue, and where it stands; ``expires`` is the last day on which it counts."""

    test: str
    promise: str
    topology: str
    message: str
    link: str
    owner: str
    expires: date
    where: str

    def names(self, test: str, promise: str, topology: str) -> bool:
        """Whether it is about this test."""
        named = fits(self.test, test) if self.test else fits(self.promise, promise)
        return named and fits(self.topology, topology)

    def covers(self, message: str) -> bool:
        """Whether a message has its words, however both are broken into lines."""
        return " ".join(self.message.split()) in " ".join(message.split())

    def expired(self, today: date) -> bool:
        """Whether it has ceased to count."""
        return today > self.expires

    @property
    def about(self) -> str:
        """What it is about, in one line."""
        return f"{self.test or self.promise} on {self.topology}"


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """Return the known issues of a file; raises :class:`SettingsError` with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
        root, told = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        raise SettingsError(
            f"{path}:{line}: cannot be read as YAML: {broken.problem} (a text with `: ` or `#` "
            "needs quotes)"
        ) from None
    except (OSError, ValueError, yaml.YAMLError) as broken:
        raise SettingsError(f"{path}: cannot be read: {' '.join(str(broken).split())}") from None
    if told is None:
        return ()
    if not isinstance(told, list) or not isinstance(root, yaml.SequenceNode):
        raise SettingsError(f"{path}:1: known issues are a list, not a {type(told).__name__}")
    return tuple(_waiver(entry, node, path) for entry, node in zip(told, root.value, strict=True))


def _waiver(entry: Any, node: yaml.Node, path: Path) -> Waiver:
    where = f"{path}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        keys = [str(key.value) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise SettingsError(f"{where}: `{min(twice)}` stands twice in one known issue")
    try:
        read = _Entry.model_validate(entry)
    except ValidationError as invalid:
        raise SettingsError(f"{where}: {_explain(invalid)}") from None
    return Waiver(
        test=read.test or "",
        promise=read.promise or "",
        topology=read.topology,
        message=read.message,
        link=read.link,
        owner=read.owner,
        expires=read.expires,
        where=where,
    )


def _explain(invalid: ValidationError) -> str:
    return "; ".join(
        f"`{'.'.join(map(str, each['loc']))}`: {each['msg']}" if each["loc"] else each["msg"]
        for each in invalid.errors()
    )
