"""One thing wrong with an engine config, and the error that reports all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.engine_config.keys import RELEASE
from harness.errors import EngineConfigError


@dataclass(frozen=True)
class Problem:
    """One broken rule and its place. ``text`` has what was expected, what was seen, and the fix."""

    path: Path
    line: int
    key: str
    """Dotted, ``moe_config.backend``."""
    text: str
    meant: str = ""
    """The known key that a misspelt one was probably meant to be, dotted."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.key}: {self.text}"


def broken(expected: object, seen: object, *, fix: str = "", says: str = "") -> str:
    """Return the text of a broken rule; ``says`` are TensorRT-LLM's own words for it."""
    text = f"expected {expected}, seen {seen}"
    if fix:
        text += f"; {fix}"
    return f"{text} (TensorRT-LLM would say: {says})" if says else text


def as_error(problems: Sequence[Problem]) -> EngineConfigError:
    """Return one error for all problems, in the order of their lines."""
    ordered = sorted(problems, key=lambda each: (str(each.path), each.line))
    count = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
    lines = "".join(f"\n  {each}" for each in ordered)
    return EngineConfigError(
        f"{count} by the rules of TensorRT-LLM {RELEASE}:{lines}",
        hint="nothing was started; TensorRT-LLM itself would fail on nodes that are already taken",
    )
