"""The journal of a run: ``journal.jsonl``, one line when a test starts and one for each phase.

Whatever ends pytest, the lines before that are in the file::

    {"at": 1795618470.001, "event": "begin", "run_id": "20261125T145421-3-6889"}
    {"at": 1795618476.084, "event": "start", "test": "tests/agg/test_a.py::test_b"}
    {"at": 1795618476.091, "event": "outcome", "test": "...", "phase": "call", "outcome": "failed",
     "class": "FAIL", "message": "...", "seconds": 0.007}
    {"at": 1795618480.112, "event": "end", "exit_status": 1}

``at`` is the wall clock (seconds since the epoch), ``message`` a first line. A test has ended with
the outcome of its phase ``teardown``. While nothing happens, a line ``"event": "alive"`` comes
every few seconds: the last line tells when pytest ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.compat import StrEnum
from harness.errors import ConfigError
from harness.secrets import Redactor

JOURNAL_FILE = "journal.jsonl"
BEAT_S = 5.0
"""The longest silence of a journal whose run goes on."""


class Outcome(StrEnum):
    """How one phase of a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


GRAVE = (Outcome.FAILED, Outcome.INTERRUPTED)
"""After these a line is brought to the disk itself, so that it outlives the node."""


@dataclass(frozen=True)
class Entry:
    """One line, read back; fields that its event does not have are empty."""

    at: float
    event: str
    run_id: str = ""
    test: str = ""
    phase: str = ""
    outcome: Outcome | None = None
    verdict_class: str | None = None
    message: str = ""
    seconds: float = 0.0


class Journal:
    """The journal as its one writer sees it; the file is locked for as long as this is open."""

    def __init__(
        self,
        path: Path,
        run_id: str,
        *,
        beat_s: float = BEAT_S,
        redactor: Redactor | None = None,
    ) -> None:
        """Begin anew; raises :class:`ConfigError` when another run writes this file."""
        self._file = path.open("a", encoding="utf-8")
        self._redactor = redactor or Redactor()
        self._writing = threading.Lock()
        self._written_s = 0.0
        self._closing = threading.Event()
        self._lock(path)
        self._file.truncate(0)
        self._write({"event": "begin", "run_id": run_id})
        threading.Thread(target=self._beat, args=(beat_s,), daemon=True).start()

    def start(self, test: str) -> None:
        """Note that a test starts now."""
        self._write({"event": "start", "test": test})

    def outcome(
        self,
        test: str,
        phase: str,
        outcome: Outcome,
        *,
        verdict_class: str | None = None,
        message: str = "",
        seconds: float = 0.0,
    ) -> None:
        """Note how a phase (setup, call, teardown) of a test has ended."""
        self._write(
            {
                "event": "outcome",
                "test": test,
                "phase": phase,
                "outcome": outcome,
                "class": verdict_class,
                "message": message,
                "seconds": round(seconds, 3),
            }
        )
        if outcome in GRAVE:
            self.sync()

    def end(self, exit_status: int) -> None:
        """Note that the session ends in order, and bring all of it to the disk."""
        self._write({"event": "end", "exit_status": exit_status})
        self.sync()

    def sync(self) -> None:
        """Bring what was written to the disk itself."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file and give the lock back."""
        self._closing.set()
        with self._writing:
            self._file.close()

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ConfigError(f"another run that goes on writes {path}") from None
        except OSError:
            return  # no locks on this file system: then nobody can tell that the run goes on

    def _beat(self, beat_s: float) -> None:
        while not self._closing.wait(beat_s):
            if time.monotonic() - self._written_s >= beat_s:
                self._write({"event": "alive"})

    def _write(self, line: dict[str, Any]) -> None:
        told = self._redactor.json({"at": round(time.time(), 3), **line})
        text = json.dumps(told) + "\n"
        with self._writing:
            if not self._file.closed:
                self._file.write(text)
                self._file.flush()
                self._written_s = time.monotonic()


def read_journal(path: Path) -> list[Entry]:
    """Return the lines of a journal; none when there is no file. A torn last line is left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [entry for entry in map(_entry, text.splitlines()) if entry is not None]


def is_being_written(path: Path) -> bool:
    """Whether a process of this suite holds the journal: the run goes on."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no such file, or a file system without locks
    return False


def _entry(line: str) -> Entry | None:
    try:
        told = json.loads(line)
        outcome = told.get("outcome")
        return Entry(
            at=float(told["at"]),
            event=str(told["event"]),
            run_id=str(told.get("run_id", "")),
            test=str(told.get("test", "")),
            phase=str(told.get("phase", "")),
            outcome=Outcome(outcome) if outcome else None,
            verdict_class=told.get("class"),
            message=str(told.get("message", "")),
            seconds=float(told.get("seconds", 0.0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
