"""Send requests, one or many at a time, and bring back records."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from harness.exchange import Reading
from harness.http import Http
from harness.serving.record import Record
from harness.serving.request import Request
from harness.serving.sink import RecordSink


def send(
    client: Http,
    request: Request,
    *,
    timeout_s: float,
    sink: RecordSink | None = None,
    reading: Reading | None = None,
) -> Record:
    """Send one request, as a stream or whole, and return its record; save it in ``sink`` if given.

    Nothing that the server does raises: a refused, cut or late answer is an outcome of the record.
    ``reading`` says how the answer is read, where not at once and to its end.
    """
    request_id = str(uuid.uuid4())
    exchange = client.exchange(
        request.method,
        request.path,
        content=request.content(),
        headers={"content-type": request.content_type, "x-request-id": request_id},
        timeout_s=timeout_s,
        reading=reading,
    )
    record = Record.of(request, request_id, exchange=exchange)
    if sink is not None:
        sink.write(record)
    return record


def send_many(
    client: Http,
    requests: Sequence[Request],
    *,
    concurrency: int,
    timeout_s: float,
    sink: RecordSink | None = None,
    readings: Sequence[Reading | None] = (),
) -> list[Record]:
    """Send ``requests``, at most ``concurrency`` at a time; records come in the requests' order.

    Where that is all of them, none is sent before there is a thread for each: they begin together.
    ``timeout_s`` bounds each request by itself; ``readings`` says how each answer is read, where it
    is given.
    """
    everyone = threading.Barrier(len(requests) if 0 < len(requests) <= concurrency else 1)

    def ask(request: Request, reading: Reading | None) -> Record:
        everyone.wait(timeout_s)
        return send(client, request, timeout_s=timeout_s, sink=sink, reading=reading)

    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="send") as pool:
        return list(pool.map(ask, requests, readings or [None] * len(requests)))
