"""What the client itself costs, beside a bare socket: ``python -m benchmarks.client_cost``.

A small server on this machine streams events at a fixed pace. The table has, for each number of
streams at once, the CPU time that the client spent on an event and the longest pause that it saw;
and the time to the first event beside that of a bare socket, on the same requests in turn. The exit
code is 1 when a figure is above its limit.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from harness.http import Http
from harness.serving.latency import Latencies
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.serving.sending import send
from tests.harness.serving.misbehaving import DEFAULT_MODEL, misbehaving

CROWDS = (1, 8, 64, 256)
TOKENS = 64
TURNS = 21
CPU_LIMIT_S = 0.3e-3
"""CPU seconds of the client for one event."""
FIRST_LIMIT_S = 2e-3
"""Seconds by which the median time to first token may be above a bare socket's."""
PAUSE_LIMIT_S = 1.0
"""Longest pause within a stream, in seconds: all is on one machine."""


def main() -> int:
    """Measure, print the table, and return 1 when a limit is broken."""
    request = ChatRequest.ask(DEFAULT_MODEL, "A tale.", max_tokens=TOKENS, temperature=0.0)
    with misbehaving(None, "--token-ms", "5") as url, Http(url) as http:
        late_s = _first_token(http, url, request.streamed())
        broken = late_s > FIRST_LIMIT_S
        print(f"first event: {late_s * 1e3:+.2f} ms beside a bare socket (limit +2 ms)")
        print("streams   events   CPU ms an event   longest pause s")
        for clients in CROWDS:
            broken |= _crowd(http, request.streamed(), clients)
    return 1 if broken else 0


def _first_token(http: Http, url: str, request: ChatRequest) -> float:
    """Return by how much our median time to the first event is above a bare socket's."""
    ours, bare = [], []
    for _ in range(TURNS):
        ours.append(send(http, request, timeout_s=30.0).events[0].at_s)
        bare.append(_bare(url, request))
    return statistics.median(ours) - statistics.median(bare)


def _bare(url: str, request: ChatRequest) -> float:
    parts = urlsplit(url)
    body = request.content()
    head = (
        f"POST {request.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()
    began_s = time.monotonic()
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as peer:
        peer.sendall(head + body)
        seen = b""
        while b"data: " not in seen:
            seen += peer.recv(65536)
        return time.monotonic() - began_s


def _crowd(http: Http, request: ChatRequest, clients: int) -> bool:
    """Print a line about ``clients`` streams at once; return whether a limit is broken."""
    began_s = time.process_time()
    with ThreadPoolExecutor(clients) as pool:
        records: list[Record] = list(
            pool.map(lambda _: send(http, request, timeout_s=60.0), range(clients))
        )
    cpu_s = time.process_time() - began_s  # before the events are parsed, as in a run
    events = sum(len(record.events) for record in records)
    each_s, pause_s = cpu_s / events, max(Latencies.of(records).gap_s)
    print(f"{clients:7} {events:8} {each_s * 1e3:17.3f} {pause_s:17.2f}")
    return each_s > CPU_LIMIT_S or pause_s > PAUSE_LIMIT_S or events < clients * TOKENS


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores")
    sys.exit(main())
