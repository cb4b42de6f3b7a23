"""The HTTP client: bounded, honest about what came, deaf to proxies, never asking twice."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from harness.errors import ProductError, SettingsError
from harness.exchange import EndpointUnreachable, Outcome, UnexpectedAnswer
from harness.http import Http
from tests.harness.pure.serving_kit import Script, answer, read_request, says, serving


def dribbling(first: bytes, drop: bytes) -> Script:
    """Return a script that sends ``first``, then ``drop`` over and over until the client leaves."""

    def script(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(first)
        left = threading.Event()
        while not left.wait(0.02):
            peer.sendall(drop)

    return script


def stalling(first: bytes) -> Script:
    """Return a script that sends ``first`` and then nothing until the client leaves."""

    def script(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(first)
        peer.recv(1)

    return script


ENDLESS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def test_json_is_returned() -> None:
    with serving(says(answer(b'{"data": []}'))) as url, Http(url) as http:
        assert http.get_json("/v1/models") == {"data": []}


def test_json_is_posted() -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        peer.sendall(answer(b'{"kvs": []}'))

    with serving(script) as url, Http(url) as http:
        assert http.post_json("/v3/kv/range", {"key": "djE="}) == {"kvs": []}
    assert seen[0].startswith(b"POST /v3/kv/range HTTP/1.1\r\n")
    assert seen[0].endswith(b'{"key": "djE="}')


def test_refused_connection_is_named_with_url_and_budget() -> None:
    with serving(says()) as url:
        pass
    with Http(url, timeout_s=2) as http, pytest.raises(EndpointUnreachable) as refused:
        http.get("/health")
    assert f"GET {url}/health within 2 s; seen: unreachable" in str(refused.value)
    assert refused.value.exchange.outcome is Outcome.UNREACHABLE
    assert isinstance(refused.value, ProductError)


def test_unexpected_status_is_named_with_its_body() -> None:
    reply = answer(b'{"message": "draining"}', status="503 Service Unavailable")
    with (
        serving(says(reply)) as url,
        Http(url) as http,
        pytest.raises(UnexpectedAnswer, match=r"status 503, body .*draining"),
    ):
        http.get_json("/health")


def test_answer_that_is_no_json_is_named() -> None:
    with (
        serving(says(answer(b"<html>"))) as url,
        Http(url) as http,
        pytest.raises(UnexpectedAnswer, match=r"expected a JSON body .*<html>"),
    ):
        http.get_json("/health")


def test_any_status_is_an_answer() -> None:
    with serving(says(answer(b"no", status="404 Not Found"))) as url, Http(url) as http:
        assert http.get("/nope").status == 404


def test_address_without_scheme_is_refused() -> None:
    with pytest.raises(SettingsError, match="node1:8000"):
        Http("node1:8000")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(stalling(b""), id="silent"),
        pytest.param(dribbling(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"), id="endless-head"),
        pytest.param(stalling(ENDLESS), id="silent-body"),
        pytest.param(dribbling(ENDLESS, b"1\r\na\r\n"), id="endless-body"),
        pytest.param(dribbling(b"HTTP/1.1 200 OK\r\n\r\n", b"a"), id="endless-until-close"),
    ],
)
def test_budget_bounds_the_whole_request(script: Script) -> None:
    with serving(script) as url, Http(url) as http:
        began_s = time.monotonic()
        exchange = http.exchange("GET", "/", timeout_s=0.3)
        took_s = time.monotonic() - began_s
    assert exchange.outcome is Outcome.TIMEOUT
    assert "budget of 0.3 s spent" in exchange.error
    assert 0.25 < took_s < 0.8


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"220 mail ready\r\n", id="no-http"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", id="half-body"),
        pytest.param(ENDLESS + b"4\r\nhalf\r\n", id="half-stream"),
    ],
)
def test_broken_answer_is_a_cut_that_keeps_what_came(reply: bytes) -> None:
    with serving(says(reply)) as url, Http(url) as http:
        exchange = http.exchange("GET", "/")
    assert exchange.outcome is Outcome.CUT
    assert exchange.error
    assert exchange.body == (b"half" if b"half" in reply else b"")


def test_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    proxied: list[bytes] = []

    def proxy(peer: socket.socket) -> None:
        proxied.append(read_request(peer))
        peer.sendall(answer(b'"proxy"'))

    with serving(proxy) as proxy_url, serving(says(answer(b'"server"'))) as url:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy_url)
        with Http(url) as http:
            assert http.get_json("/") == "server"
    assert proxied == []


def test_failed_request_is_not_sent_again() -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(read_request(peer))

    with serving(script) as url, Http(url) as http:
        assert http.exchange("GET", "/").outcome is Outcome.CUT
    assert len(seen) == 1


def test_server_that_closes_after_each_answer_is_no_failure() -> None:
    with serving(says(answer(b"1"))) as url, Http(url) as http:
        assert [http.get_json("/") for _ in range(20)] == [1] * 20


def test_arrival_times_tell_a_stream_from_a_lump() -> None:
    def script(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(ENDLESS + b"1\r\na\r\n")
        threading.Event().wait(0.1)
        peer.sendall(b"1\r\nb\r\n0\r\n\r\n")

    with serving(script) as url, Http(url) as http:
        first, second = http.exchange("GET", "/").arrivals
    assert second.at_s - first.at_s == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "node1",
        "ftp://node1:8000",
        "http://",
        "http://:8000",
        "http:///v1",
        "http://node1:http",
        "http://node1:80:80",
        "http://node1:99999",
        "http://[::1",
        "http://node1:8000/?key=1",
        "http://node1\x00:8000",
    ],
)
def test_address_that_leads_nowhere_is_refused_at_once(address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Http(address)
    assert repr(address) in str(refused.value)


@pytest.mark.parametrize("address", ["http://[::1]:8000", "https://node1", "http://node1:8000/a/"])
def test_address_of_a_server_is_taken(address: str) -> None:
    assert Http(address).base_url == address.rstrip("/")
