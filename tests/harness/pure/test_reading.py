"""Reading an answer otherwise than at once and to its end: hanging up, and taking one's time."""

from __future__ import annotations

import socket
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.exchange import Outcome, Reading
from harness.http import Http
from harness.serving import joined_text, judge_stream, send
from harness.serving.judges import judge_cancelled
from tests.harness.pure.serving_kit import (
    Script,
    asked,
    content,
    framed,
    good_chunks,
    read_request,
    serving,
)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
PIECES = ("Once ", "upon ", "a ", "time ", "there ", "was")
EVENT = framed([content("on ")]).partition(b"data: [DONE]")[0]
GOOD = framed(good_chunks(PIECES))


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def sends(*pieces: bytes) -> Script:
    """Return a script that answers with ``pieces``, each a chunk, all at once."""

    def script(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(HEAD + b"".join(map(chunk, pieces)) + LAST)

    return script


def endless(event: bytes, left: threading.Event) -> Script:
    """Return a script that sends ``event`` over and over until it sees that the client left."""

    def script(peer: socket.socket) -> None:
        read_request(peer)
        try:
            peer.sendall(HEAD)
            while not left.wait(0.01):
                peer.sendall(chunk(event))
        except OSError:
            left.set()

    return script


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_client_hangs_up_after_so_many_events(count: int, line_end: bytes) -> None:
    left = threading.Event()
    script = endless(EVENT.replace(b"\n", line_end), left)

    with serving(script) as url, Http(url) as http:
        record = send(http, asked(), timeout_s=5, reading=Reading(hang_up_after=count))

        assert left.wait(2), "the server still sends"
    assert record.outcome is Outcome.CANCELLED
    assert record.error == f"hung up after {count} events"
    assert joined_text(record) == "on " * count
    assert not judge_cancelled(record)
    assert [finding.promise for finding in judge_stream(record)] == ["complete"]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_events_that_come_byte_by_byte_are_counted(line_end: bytes) -> None:
    body = EVENT.replace(b"\n", line_end) * 2

    with serving(sends(*(body[at : at + 1] for at in range(len(body))))) as url, Http(url) as http:
        exchange = http.exchange("GET", "/", timeout_s=5, reading=Reading(hang_up_after=2))
    assert exchange.outcome is Outcome.CANCELLED
    assert exchange.body == body


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 3 * len(EVENT) - 1), max_size=6, unique=True).map(sorted))
def test_events_are_counted_in_any_pieces(cuts: list[int]) -> None:
    body = EVENT.replace(b"\n", b"\r\n") * 3
    pieces = [body[a:b] for a, b in pairwise([0, *(c for c in cuts if c < len(body)), len(body)])]

    with serving(sends(*pieces)) as url, Http(url) as http:
        record = send(http, asked(), timeout_s=5, reading=Reading(hang_up_after=3))
    assert record.outcome is Outcome.CANCELLED
    assert record.body == body


def test_stream_that_ends_before_the_hang_up_is_complete() -> None:
    with serving(sends(GOOD)) as url, Http(url) as http:
        record = send(http, asked(max_tokens=6), timeout_s=5, reading=Reading(hang_up_after=99))
    assert record.outcome is Outcome.COMPLETE
    assert not judge_stream(record)
    assert [finding.promise for finding in judge_cancelled(record)] == ["cancelled"]


def test_slow_reader_gets_all() -> None:
    pieces = [GOOD[at : at + 200] for at in range(0, len(GOOD), 200)]
    reading = Reading(pause_s=0.02, receive_buffer=2048)

    with serving(sends(*pieces)) as url, Http(url) as http:
        record = send(http, asked(max_tokens=6), timeout_s=5, reading=reading)
    assert record.body == GOOD
    assert not judge_stream(record)
    assert record.elapsed_s >= 0.02 * len(pieces)


def test_server_waits_for_a_slow_reader() -> None:
    """Without a small receive buffer a kernel takes in megabytes, and nobody waits for anybody."""
    sent = 0

    def script(peer: socket.socket) -> None:
        nonlocal sent
        read_request(peer)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.sendall(HEAD)
        for _ in range(1000):
            peer.sendall(chunk(b"x" * 4000))
            sent += 1

    with serving(script) as url, Http(url) as http:
        reading = Reading(pause_s=0.05, receive_buffer=2048)
        http.exchange("GET", "/", timeout_s=0.5, reading=reading)
    assert sent < 30


@pytest.mark.parametrize(("pause_s", "pieces"), [(0.02, 200), (1.0, 3)], ids=["many", "long"])
def test_budget_ends_a_slow_reading_whatever_was_taken_in(pause_s: float, pieces: int) -> None:
    with serving(sends(*[EVENT] * pieces)) as url, Http(url) as http:
        began_s = time.monotonic()
        exchange = http.exchange("GET", "/", timeout_s=0.3, reading=Reading(pause_s=pause_s))
        took_s = time.monotonic() - began_s
    assert exchange.outcome is Outcome.TIMEOUT
    assert "budget of 0.3 s spent" in exchange.error
    assert exchange.body.startswith(EVENT)
    assert 0.25 < took_s < 0.8
