"""Step logs as ``srun --label`` writes them: ``<rank>: <text>``, possibly coloured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LABEL = re.compile(r"^\s*(\d+): ?(.*)$")

_ANY = (b"\n",)

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


@dataclass(frozen=True)
class Added:
    """Whole lines that were added to a log; ``first`` is the number of the first of them."""

    text: bytes
    first: int

    def lines(self, telling: Sequence[bytes]) -> Iterator[tuple[LogLine, int]]:
        """Yield the lines that have any of ``telling``, each with its place in ``text``.

        The others cost next to nothing: ranks may write thousands of lines a second. A search for
        each word is faster than one for a pattern of all.
        """
        number, passed = self.first, 0
        for start in sorted({place for word in telling for place in self._starts(word)}):
            number += self.text.count(b"\n", passed, start)
            passed = start
            yield _decoded(number, self.text[start : self.text.find(b"\n", start)]), start

    def _starts(self, word: bytes) -> Iterator[int]:
        """Yield the place of each line that has a word."""
        found = self.text.find(word)
        while found >= 0:
            yield self.text.rfind(b"\n", 0, found) + 1
            end = self.text.find(b"\n", found)
            found = self.text.find(word, end + 1) if end >= 0 else -1


class LogFollower:
    """Gives the lines that were added to a log since the last look; an unfinished line waits.

    Those alone that have any of ``telling``, if it is given.
    """

    def __init__(self, path: Path, telling: Sequence[bytes] = _ANY) -> None:
        self.path = path
        self._telling = telling
        self._offset = 0
        self._lines = 0

    def new_lines(self) -> Iterator[LogLine]:
        """Yield complete lines not yet seen."""
        for line, _ in self.added().lines(self._telling):
            yield line

    def added(self) -> Added:
        """Return all complete lines not yet seen, as one piece."""
        try:
            with self.path.open("rb") as log:
                log.seek(self._offset)
                text = log.read()
        except FileNotFoundError:
            text = b""
        whole = text[: text.rfind(b"\n") + 1]
        first = self._lines + 1
        self._offset += len(whole)
        self._lines += whole.count(b"\n")
        return Added(whole, first)


def _decoded(number: int, raw: bytes) -> LogLine:
    return parse_line(number, raw.decode("utf-8", errors="replace"))
