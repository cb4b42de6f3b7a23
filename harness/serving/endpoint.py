"""The server that tests speak to: where it is, what it serves, and a record of every request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.exchange import Reading
from harness.features import Feature
from harness.http import Http
from harness.serving.record import Record
from harness.serving.request import Request
from harness.serving.sending import send, send_many
from harness.serving.sink import RecordSink

REQUEST_TIMEOUT_S = 120.0
"""Budget of one request where the caller names none."""


@dataclass(frozen=True)
class Served:
    """What is known of a server before it is asked: facts of its release, its engine configs."""

    model: str
    features: frozenset[Feature] = frozenset()
    prompt_limit: int | None = None
    """Tokens of the longest prompt, chat template included; ``None``: not known."""
    context_tokens: int | None = None
    """Tokens of prompt and answer together; ``None``: not known."""


class Endpoint:
    """One OpenAI-compatible server; safe to share between threads."""

    def __init__(self, http: Http, served: Served, sink: RecordSink) -> None:
        self.http = http
        self.served = served
        self.sink = sink

    def ask(
        self,
        request: Request,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        reading: Reading | None = None,
    ) -> Record:
        """Send one request and keep its record."""
        return send(self.http, request, timeout_s=timeout_s, sink=self.sink, reading=reading)

    def ask_together(
        self, requests: Sequence[Request], *, readings: Sequence[Reading | None] = ()
    ) -> list[Record]:
        """Send requests all at once, each read as ``readings`` says; records in order."""
        return send_many(
            self.http,
            requests,
            concurrency=len(requests),
            timeout_s=REQUEST_TIMEOUT_S,
            sink=self.sink,
            readings=readings,
        )
