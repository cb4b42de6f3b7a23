"""Write records to a file as they come."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from harness.serving.record import Record

if TYPE_CHECKING:
    from typing_extensions import Self


class RecordSink:
    """Appends records to a JSON-lines file; safe to share between threads.

    Each record is flushed at once, so that what was seen survives whatever ends the run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="ascii")

    def write(self, record: Record) -> None:
        """Append one record."""
        line = record.to_line() + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Close the file; writing after this is an error."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
