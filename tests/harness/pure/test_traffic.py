"""Requests under way to one server: ended from outside at once, and dated by what arrives."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from harness.deadline import Deadline, wait_until
from harness.exchange import EndpointUnreachable, Exchange, Outcome
from harness.http import Http
from tests.harness.pure import serving_kit as kit

WHY = "given up: rank 3 on node1: SIGKILL"
LONG_S = 60.0
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


class Server:
    """Reads requests, sends what it is told to, and then says nothing until the test is over."""

    def __init__(self, *said: bytes) -> None:
        self.asked = threading.Semaphore(0)
        self.over = threading.Event()
        self._said = said

    def __call__(self, peer: socket.socket) -> None:
        """Serve one connection."""
        kit.read_request(peer)
        for part in self._said:
            peer.sendall(part)
        self.asked.release()
        self.over.wait(LONG_S)

    def wait_asked(self, times: int = 1) -> None:
        """Wait until so many requests have come in."""
        for _ in range(times):
            assert self.asked.acquire(timeout=20)


@contextmanager
def silent(*said: bytes) -> Iterator[tuple[Server, Http]]:
    """Yield a server that never ends an answer, and its client."""
    server = Server(*said)
    with kit.serving(server) as url, Http(url, timeout_s=LONG_S) as http:
        try:
            yield server, http
        finally:
            server.over.set()


def ended_by(act: Callable[[], None], *pending: Future[Exchange]) -> tuple[list[Exchange], float]:
    """Return the exchanges that an act ended, and after how many seconds."""
    began_s = time.monotonic()
    act()
    return [each.result(20) for each in pending], time.monotonic() - began_s


@pytest.mark.parametrize(
    ("said", "status"),
    [((), None), ((HEAD,), 200), ((HEAD, b"data: {}\n\n"), 200)],
    ids=["nothing", "the head of an answer", "a part of a stream"],
)
def test_a_request_under_way_is_ended_at_once_with_the_reason(
    said: tuple[bytes, ...], status: int | None
) -> None:
    with silent(*said) as (server, http), ThreadPoolExecutor() as pool:
        pending = pool.submit(http.exchange, "GET", "/v1/models")
        server.wait_asked()

        [exchange], took_s = ended_by(lambda: http.traffic.give_up(WHY), pending)
    assert took_s < 0.5
    assert (exchange.outcome, exchange.error) == (Outcome.CUT, WHY)
    assert exchange.status in {status, None}


def test_all_requests_under_way_are_ended() -> None:
    with silent() as (server, http), ThreadPoolExecutor(12) as pool:
        pending = [pool.submit(http.exchange, "GET", f"/{number}") for number in range(12)]
        server.wait_asked(12)

        exchanges, took_s = ended_by(lambda: http.traffic.give_up(WHY), *pending)
    assert took_s < 0.5
    assert {(each.outcome, each.error) for each in exchanges} == {(Outcome.CUT, WHY)}


def test_later_requests_are_not_sent_and_told_the_reason() -> None:
    with silent() as (server, http):
        http.traffic.give_up(WHY)
        exchange = http.exchange("GET", "/health")

        assert not server.asked.acquire(timeout=0.05)
    assert (exchange.outcome, exchange.error) == (Outcome.UNREACHABLE, WHY)


def test_who_wants_an_answer_is_told_the_reason() -> None:
    with silent() as (_, http):
        http.traffic.give_up(WHY)

        with pytest.raises(EndpointUnreachable, match="SIGKILL"):
            http.get("/health")


def test_the_first_reason_stays() -> None:
    with silent() as (_, http):
        http.traffic.give_up(WHY)
        http.traffic.give_up("and then everything else")

        assert http.traffic.why_given_up() == WHY


def test_a_request_without_a_connection_ends_with_the_reason_when_its_budget_does() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fill = [socket.socket() for _ in range(4)]
        for each in fill:
            each.settimeout(0)
            each.connect_ex(listener.getsockname())
        with Http(url, timeout_s=1) as http, ThreadPoolExecutor() as pool:
            pending = pool.submit(http.exchange, "GET", "/")
            assert wait_until(lambda: bool(http.traffic._under_way), Deadline.after(20))
            http.traffic.give_up(WHY)
            exchange = pending.result(20)
        for each in fill:
            each.close()

    assert exchange.error == WHY


def test_the_end_of_the_budget_is_no_giving_up() -> None:
    with silent(HEAD, b"data: {}\n\n") as (_, http):
        exchange = http.exchange("GET", "/", timeout_s=0.2)

    assert exchange.outcome is Outcome.TIMEOUT
    assert "budget" in exchange.error


def test_a_whole_answer_is_no_longer_under_way() -> None:
    with kit.serving(kit.says(kit.answer(b"{}"))) as url, Http(url) as http:
        assert http.exchange("GET", "/").outcome is Outcome.COMPLETE
        http.traffic.give_up(WHY)

        assert not http.traffic._under_way


def test_a_request_that_failed_is_no_longer_under_way() -> None:
    with kit.serving(kit.says()) as url, Http(url) as http:
        assert http.exchange("GET", "/").outcome is Outcome.CUT

        assert not http.traffic._under_way


def test_the_last_arrival_moves_with_bytes_and_not_with_requests() -> None:
    more = threading.Event()

    def script(peer: socket.socket) -> None:
        kit.read_request(peer)
        more.wait(20)
        peer.sendall(HEAD + b"data: {}\n\n")

    with kit.serving(script) as url, Http(url) as http, ThreadPoolExecutor() as pool:
        began_s = http.traffic.last_arrival_s
        pending = pool.submit(http.exchange, "GET", "/")
        assert wait_until(lambda: bool(http.traffic._under_way), Deadline.after(20))
        assert http.traffic.last_arrival_s == began_s
        more.set()
        pending.result(20)

        assert began_s < http.traffic.last_arrival_s <= time.monotonic()


def test_the_last_arrival_moves_while_a_stream_is_under_way() -> None:
    with silent(HEAD, b"data: {}\n\n") as (_, http), ThreadPoolExecutor() as pool:
        began_s = http.traffic.last_arrival_s
        pool.submit(http.exchange, "GET", "/")

        assert wait_until(lambda: http.traffic.last_arrival_s > began_s, Deadline.after(20))
        http.traffic.give_up(WHY)
