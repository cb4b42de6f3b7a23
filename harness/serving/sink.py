"""Write records to a file as they come."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from harness.exchange import Arrival
from harness.secrets import Redactor
from harness.serving.record import Record

if TYPE_CHECKING:
    from typing_extensions import Self


class RecordSink:
    """Appends records to a JSON-lines file, without secrets; safe to share between threads.

    Each record is flushed at once, so that what was seen survives whatever ends the run.
    """

    def __init__(self, path: Path, redactor: Redactor | None = None) -> None:
        self.path = path
        self._redactor = redactor or Redactor()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="ascii")

    def write(self, record: Record) -> None:
        """Append one record."""
        line = self._redactor.known(without_secrets(record, self._redactor).to_line()) + "\n"
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


def without_secrets(record: Record, redactor: Redactor) -> Record:
    """Return a record to be saved. Its answer keeps its length and all but secrets known by value.

    What a server said has to stay as it was, to be judged again.
    """
    chunks = redactor.data([arrival.data for arrival in record.arrivals])
    return replace(
        record,
        url=redactor.text(record.url),
        error=redactor.text(record.error),
        headers=tuple((name, value) for name, value in redactor.json(record.headers)),
        arrivals=tuple(
            Arrival(arrival.at_s, data)
            for arrival, data in zip(record.arrivals, chunks, strict=True)
        ),
    )
