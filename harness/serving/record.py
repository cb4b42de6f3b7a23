"""One request with its event stream and times, saved as a line of JSON and loaded without loss."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.exchange import Arrival, Exchange, Outcome
from harness.serving.request import KINDS, GenerationRequest, RawRequest, Request
from harness.serving.sse import Event, parse, strict_json

FORMAT = 2
"""Version of the saved form; raised when a reader of the old form would misread the new one."""
READABLE = (1, FORMAT)
"""Of format 1 are records of chat requests alone, which did not say so."""


@dataclass(frozen=True)
class Record:
    """One request and all that came of it. ``status`` is ``None`` when no head of an answer came.

    Times are seconds after the request's start; ``started_at_s`` is wall clock, since the epoch.
    ``request_id`` was sent as ``x-request-id``: Dynamo's frontend writes it into its log.
    """

    request: Request
    request_id: str
    url: str
    outcome: Outcome
    error: str
    started_at_s: float
    elapsed_s: float
    status: int | None
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    arrivals: tuple[Arrival, ...] = field(repr=False)

    @classmethod
    def of(cls, request: Request, request_id: str, *, exchange: Exchange) -> Record:
        """Return the record of ``exchange``, in which ``request`` was sent under ``request_id``."""
        return cls(
            request=request,
            request_id=request_id,
            url=exchange.url,
            outcome=exchange.outcome,
            error=exchange.error,
            started_at_s=exchange.started_at_s,
            elapsed_s=exchange.elapsed_s,
            status=exchange.status,
            headers=exchange.headers,
            arrivals=exchange.arrivals,
        )

    def __repr__(self) -> str:
        kind = f"stream of {len(self.events)} events" if self.streamed else "whole answer"
        asked = self.request
        what = asked.path if isinstance(asked, RawRequest) else asked.model
        return (
            f"<Record {self.request_id} {what!r}: {self.outcome}, "
            f"status {self.status}, {kind}, {len(self.body)} bytes in {self.elapsed_s:.3f} s>"
        )

    @property
    def generation(self) -> GenerationRequest:
        """The request, of which it is known that an answer may come; raises for any other."""
        if isinstance(self.request, RawRequest):
            raise HarnessError(f"expected a request for a completion, seen {self.request!r}")
        return self.request

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return not isinstance(self.request, RawRequest) and self.request.stream

    @cached_property
    def body(self) -> bytes:
        """All bytes of the answer's body, in order."""
        return b"".join(arrival.data for arrival in self.arrivals)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events of the stream, cut from the bytes; of a whole answer these mean nothing."""
        return parse(self.arrivals)

    @cached_property
    def json(self) -> Any:
        """The body as JSON; ``None`` when it is none."""
        return strict_json(self.body)

    def header(self, name: str) -> str:
        """Return the first header of that name (small letters), or ``""``."""
        return next((value for key, value in self.headers if key == name), "")

    def to_line(self) -> str:
        """Return the record as one line of JSON, without the line's end."""
        saved = {
            "format": FORMAT,
            "request_id": self.request_id,
            "url": self.url,
            "kind": self.request.kind,
            "request": self.request.body(),
            "outcome": self.outcome.value,
            "error": self.error,
            "started_at_s": self.started_at_s,
            "elapsed_s": self.elapsed_s,
            "status": self.status,
            "headers": [list(header) for header in self.headers],
            "arrivals": [[arrival.at_s, _text(arrival.data)] for arrival in self.arrivals],
        }
        return json.dumps(saved)

    @classmethod
    def from_line(cls, line: str) -> Record:
        """Return the record that :meth:`to_line` made ``line`` of."""
        saved = json.loads(line)
        if saved.get("format") not in READABLE:
            raise HarnessError(
                f"expected a record of format {FORMAT}, seen format {saved.get('format')!r}",
                hint="judge it with the version of this suite that wrote it",
            )
        return cls(
            request=KINDS[saved.get("kind", "chat")].from_body(saved["request"]),
            request_id=saved["request_id"],
            url=saved["url"],
            outcome=Outcome(saved["outcome"]),
            error=saved["error"],
            started_at_s=saved["started_at_s"],
            elapsed_s=saved["elapsed_s"],
            status=saved["status"],
            headers=tuple((name, value) for name, value in saved["headers"]),
            arrivals=tuple(Arrival(at_s, _bytes(text)) for at_s, text in saved["arrivals"]),
        )


def load_records(path: Path) -> list[Record]:
    """Return the records of a JSON-lines file; a damaged line raises an error that names it.

    A last line that was not finished, as a killed run leaves it, is left out.
    """
    with path.open(encoding="ascii", errors="backslashreplace") as lines:
        whole = (line for line in lines if line.endswith("\n"))
        return [_load(line, f"line {number} of {path}") for number, line in enumerate(whole, 1)]


def _load(line: str, where: str) -> Record:
    try:
        return Record.from_line(line)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as damaged:
        raise HarnessError(
            f"expected a record in {where}, seen {line[:80]!r}: {damaged!r}"
        ) from damaged


def _text(data: bytes) -> str:
    """Bytes as readable text, each byte that is no UTF-8 as a lone surrogate (PEP 383)."""
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
