"""Server-sent events from saved bytes, with nothing lost that a judge could want to see.

The usual readers of such streams work on a live response and drop what they do not need: comments,
unknown fields, a last block without its blank line, broken UTF-8. Here those are the point, and so
is when each event came; so the bytes are cut here, after WHATWG HTML, section 9.2.6.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from harness.exchange import Arrival

DONE = "[DONE]"
"""The data of the last event of a stream, in OpenAI's API."""

_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n)")


@dataclass(frozen=True)
class Event:
    """One block of a stream, up to and without its blank line.

    ``number`` counts from 1; ``at_s`` is when the block's last byte came, in seconds after the
    request's start; ``terminated`` says whether the blank line that ends a block came.
    """

    number: int
    at_s: float
    lines: tuple[bytes, ...]
    terminated: bool

    @cached_property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The block's lines as (name, value); a comment has the name ``""``."""
        return tuple(_field(line) for line in self.lines)

    @cached_property
    def data(self) -> str | None:
        """The block's data, or ``None`` when it has no ``data:`` line."""
        values = [value for name, value in self.fields if name == "data"]
        return "\n".join(values) if values else None

    @cached_property
    def name(self) -> str | None:
        """The value of the block's ``event:`` line, or ``None``."""
        return next((value for name, value in self.fields if name == "event"), None)

    @cached_property
    def is_done(self) -> bool:
        """Whether this is the end mark."""
        return self.data is not None and self.data.strip() == DONE

    @cached_property
    def json(self) -> Any:
        """The data as JSON; ``None`` when there is none or it is malformed."""
        return None if self.data is None else strict_json(self.data)

    @property
    def shown(self) -> str:
        """The block in brief, for a message."""
        text = b"\\n".join(self.lines).decode("utf-8", "backslashreplace")
        return text if len(text) <= 120 else f"{text[:80]}...{text[-37:]}"


def strict_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; ``None`` when it is malformed.

    Python reads ``NaN`` and ``Infinity`` too, on which other clients stumble: they are no JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def parse(arrivals: Sequence[Arrival]) -> tuple[Event, ...]:
    """Cut a stream into its events; bytes may have come in pieces of any size."""
    ends = list(accumulate(len(arrival.data) for arrival in arrivals))
    whole = b"".join(arrival.data for arrival in arrivals)
    return tuple(
        Event(number, arrivals[bisect_left(ends, end)].at_s, lines, terminated)
        for number, (lines, end, terminated) in enumerate(_blocks(whole), start=1)
    )


def _blocks(whole: bytes) -> Iterator[tuple[tuple[bytes, ...], int, bool]]:
    lines: list[bytes] = []
    end = 0
    for match in _LINE.finditer(whole):
        end = match.end()
        if match[1]:
            lines.append(match[1])
        elif lines:
            yield tuple(lines), end, True
            lines = []
    if end < len(whole):
        lines.append(whole[end:])
    if lines:
        yield tuple(lines), len(whole), False


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _field(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("utf-8", "replace").partition(":")
    return name, value.removeprefix(" ")
