"""Listens to the logs of one step: keeps what may be an error, by rank, with its time and line."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.diagnosis.log_form import TELLING, Form, form_of, time_of
from harness.diagnosis.signature import Signature
from harness.diagnosis.signatures import SIGNATURES
from harness.logs import LogFollower, LogLine

LINES_A_RANK = 6
"""Lines of unknown meaning that are kept of a rank; the first ones count."""

MOST_CHARACTERS = 400
"""Of a line that are quoted; the log has the rest."""

BACK_BYTES = 8192
"""How far back the time of a line that has none is looked for, in lines of the same rank."""


@dataclass(frozen=True)
class Heard:
    """A line that may be an error."""

    line: LogLine
    at: float


class LogEar:
    """Reads what is added to one log, and gives the lines worth a look."""

    def __init__(self, path: Path, *, earliest: float) -> None:
        self.path = path
        self._earliest = earliest
        self._follower = LogFollower(path)
        self._looked_at = earliest
        self._before = b""

    def new_lines(self) -> Iterator[Heard]:
        """Yield the lines worth a look among those added; an unfinished line waits."""
        since, self._looked_at = self._looked_at, time.time()
        added, now = self._follower.added(), time.time()
        for line, start in added.lines(TELLING):
            before = added.text[max(0, start - BACK_BYTES) : start]
            yield Heard(line, self._time(line, before, since=since, now=now))
        self._before = (self._before + added.text[-BACK_BYTES:])[-BACK_BYTES:]

    def _time(self, line: LogLine, before: bytes, *, since: float, now: float) -> float:
        """Return when a line was written: by its own word, its rank's last word, or ours.

        ``since`` is when the line was not there yet.
        """
        if (at := time_of(line.text, earliest=self._earliest, latest=now)) is not None:
            return at
        label = b"" if line.rank is None else b"%d: " % line.rank
        recent = (self._before + before[-BACK_BYTES:])[-BACK_BYTES:]
        for raw in reversed(recent.split(b"\n")):
            if raw.lstrip().startswith(label):
                text = raw.decode("utf-8", errors="replace")
                if (at := time_of(text, earliest=self._earliest, latest=now)) is not None:
                    return max(at, since)
        return now


class StepListener:
    """What the logs of one step tell of errors. Safe to share between threads."""

    def __init__(
        self, step: str, logs: Sequence[Path], layer: Layer, *, started_at: float | None = None
    ) -> None:
        self._step = step
        self._layer = layer
        earliest = time.time() if started_at is None else started_at
        self._ears = [LogEar(path, earliest=earliest) for path in logs]
        self._unknown: Counter[int | None] = Counter()
        self._known: set[tuple[str, int | None]] = set()
        self._facts: list[Fact] = []
        self._lock = threading.Lock()

    def listen(self) -> list[Fact]:
        """Read what was added; return what is new and worth keeping."""
        with self._lock:
            new = [
                fact
                for ear in self._ears
                for heard in ear.new_lines()
                if (fact := self._fact(heard, ear.path)) is not None
            ]
            self._facts += new
            return new

    def facts(self) -> list[Fact]:
        """Return all that was kept so far, what was just added included."""
        self.listen()
        with self._lock:
            return list(self._facts)

    def _fact(self, heard: Heard, path: Path) -> Fact | None:
        text, rank = heard.line.text, heard.line.rank
        place = Place(step=self._step, rank=rank, file=str(path), line=heard.line.number)
        if row := SIGNATURES.of(text):
            return self._known_fact(row, heard, place)
        form = form_of(text)
        if form is None or self._unknown[rank] >= LINES_A_RANK:
            return None
        self._unknown[rank] += 1
        weight, words = Weight.DOUBT, _words(heard)
        return Fact(heard.at, Source.LOG, self._layer, weight, words, place, form.value)

    def _known_fact(self, row: Signature, heard: Heard, place: Place) -> Fact | None:
        key = (row.name, heard.line.rank)
        if key in self._known or row.weight is Weight.DOUBT:
            return None
        self._known.add(key)
        words, cls = _words(heard), str(row.verdict_class)
        return Fact(heard.at, Source.LOG, row.layer, row.weight, words, place, row.name, cls)


def _words(heard: Heard) -> str:
    return heard.line.text.strip()[:MOST_CHARACTERS]


def is_exception(fact: Fact) -> bool:
    """Whether a fact of unknown meaning has the form of an exception."""
    return fact.name == Form.EXCEPTION.value
