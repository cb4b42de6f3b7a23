"""Step logs as ``srun --label`` writes them: ``<rank>: <text>``, possibly coloured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LABEL = re.compile(r"^\s*(\d+): ?(.*)$")

TAIL_BYTES = 100_000
"""Most of a log that is ever attached to a report; the file holds the rest."""


@dataclass(frozen=True)
class LogLine:
    """One line of a step's log, counted from 1; ``rank`` is ``None`` for srun's own words."""

    number: int
    rank: int | None
    text: str


def parse_line(number: int, raw: str) -> LogLine:
    """Split a line into the task's label and its text, without colours."""
    plain = _ANSI.sub("", raw.rstrip("\r\n"))
    labelled = _LABEL.match(plain)
    if labelled is None:
        return LogLine(number, None, plain)
    return LogLine(number, int(labelled[1]), labelled[2])


def read_lines(path: Path) -> list[LogLine]:
    """Return all lines of a log, an unfinished last one too; a log that does not exist has none."""
    raw_lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    if not raw_lines[-1]:
        raw_lines.pop()
    return [_decoded(number, raw) for number, raw in enumerate(raw_lines, start=1)]


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log as text, at most :data:`TAIL_BYTES`."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(0, 2)
        log.seek(max(0, log.tell() - TAIL_BYTES))
        text = log.read().decode("utf-8", errors="replace")
    return "\n".join(text.splitlines()[-lines:])


class LogFollower:
    """Gives the lines that were added to a log since the last look; an unfinished line waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._number = 0
        self._rest = b""

    def new_lines(self) -> Iterator[LogLine]:
        """Yield complete lines not yet seen."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(self._offset)
            added = log.read()
        self._offset += len(added)
        *whole, self._rest = (self._rest + added).split(b"\n")
        for raw in whole:
            self._number += 1
            yield _decoded(self._number, raw)


def _decoded(number: int, raw: bytes) -> LogLine:
    return parse_line(number, raw.decode("utf-8", errors="replace"))
