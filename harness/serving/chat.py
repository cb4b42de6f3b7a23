"""Ask for chat completions, one or many at a time, and bring back records."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from harness.http import Http
from harness.serving.record import Record
from harness.serving.request import CHAT_PATH, ChatRequest
from harness.serving.sink import RecordSink


def chat(
    client: Http, request: ChatRequest, *, timeout_s: float, sink: RecordSink | None = None
) -> Record:
    """Send one request, as a stream or whole, and return its record; save it in ``sink`` if given.

    Nothing that the server does raises: a refused, cut or late answer is an outcome of the record.
    """
    request_id = str(uuid.uuid4())
    exchange = client.exchange(
        "POST",
        CHAT_PATH,
        content=json.dumps(request.body()).encode(),
        headers={"content-type": "application/json", "x-request-id": request_id},
        timeout_s=timeout_s,
    )
    record = Record.of(request, request_id, exchange=exchange)
    if sink is not None:
        sink.write(record)
    return record


def chat_many(
    client: Http,
    requests: Sequence[ChatRequest],
    *,
    concurrency: int,
    timeout_s: float,
    sink: RecordSink | None = None,
) -> list[Record]:
    """Send ``requests``, at most ``concurrency`` at a time; records come in the requests' order.

    ``timeout_s`` bounds each request by itself.
    """
    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="chat") as pool:
        return list(
            pool.map(lambda each: chat(client, each, timeout_s=timeout_s, sink=sink), requests)
        )
