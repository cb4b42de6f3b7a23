"""The one HTTP client: no proxy from the environment, no retry, every request bounded as a whole.

A proxy that answers in the frontend's place, a retry that hides a lost request, and a server that
dribbles bytes for ever are three ways to a wrong verdict; this module shuts all three out. It is
the only module that imports httpx. Every request opens a connection of its own: reuse would turn a
server's closing of an idle connection into a failure of the next request.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx

from harness.cutoff import Cutoff
from harness.deadline import Deadline
from harness.errors import SettingsError
from harness.exchange import (
    Arrival,
    EndpointUnreachable,
    Exchange,
    Outcome,
    Reading,
    UnexpectedAnswer,
)
from harness.traffic import Traffic

if TYPE_CHECKING:
    from typing_extensions import Self

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")

DEFAULT_TIMEOUT_S = 10.0
"""Budget of one request, in seconds, where the caller names none."""


class Http:
    """Requests to one server. Safe to share between threads; use as a context manager or close."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        server: str = "",
    ) -> None:
        """``server`` is what listens there, for messages: ``etcd``, ``the frontend``."""
        if not _is_address(base_url):
            raise SettingsError(
                f"expected an address such as http://host:8000 or https://host, seen {base_url!r}"
            )
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self.server = server
        self.traffic = Traffic()
        self._client = httpx.Client(
            follow_redirects=False,
            headers={
                "accept-encoding": "identity",
                # With it no connection is idle ever: the pool, shared by threads, now and then
                # closed one that it had just given to another request (httpcore 1.0.9).
                "connection": "close",
                "user-agent": "dynamo-multinode-qualification",
                **(headers or {}),
            },
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close whatever is open; requests after this are refused."""
        self._client.close()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        reading: Reading | None = None,
    ) -> Exchange:
        """Send one request and return what came; a broken wire is an outcome, not an exception.

        ``timeout_s`` bounds the whole request: connecting, sending, waiting and reading together.
        ``reading`` says how the answer is read, where not at once and to its end.
        """
        budget_s = self.timeout_s if timeout_s is None else timeout_s
        reading = reading or Reading()
        progress = _Progress(
            method, self.base_url + path, Deadline.after(budget_s), arrived=self.traffic.arrived
        )
        cutoff = Cutoff(progress.deadline, receive_buffer=reading.receive_buffer)
        with cutoff, self.traffic.under_way(cutoff):
            if why := self.traffic.why_given_up():
                return progress.ended(Outcome.UNREACHABLE, why)
            try:
                with self._client.stream(
                    method,
                    progress.url,
                    content=content,
                    headers=headers,
                    timeout=max(budget_s, 0.001),
                    extensions={"trace": cutoff.trace},
                ) as response:
                    cancelled = progress.read(response, reading)
            except (httpx.HTTPError, OSError) as problem:
                given_up = self.traffic.why_given_up() if cutoff.fired else ""
                cut = (Outcome.CUT, given_up) if given_up else None
                return progress.ended(*(cut or _diagnosis(problem, budget_s, fired=cutoff.fired)))
        if cutoff.fired and (why_cut := self.traffic.why_given_up()):
            return progress.ended(Outcome.CUT, why_cut)
        # a body that ends with the connection looks complete when that is shut
        if cutoff.fired or progress.deadline.expired:
            return progress.ended(Outcome.TIMEOUT, f"budget of {budget_s:g} s spent")
        if cancelled:
            return progress.ended(Outcome.CANCELLED, f"hung up after {progress.events} events")
        return progress.ended(Outcome.COMPLETE, "")

    def get(self, path: str, *, timeout_s: float | None = None) -> Exchange:
        """GET ``path``; raise :class:`EndpointUnreachable` unless a complete answer came."""
        return self._answer("GET", path, content=None, timeout_s=timeout_s)

    def get_json(self, path: str, *, timeout_s: float | None = None) -> Any:
        """GET ``path`` and return its JSON; anything but a 200 raises :class:`UnexpectedAnswer`."""
        return _ok_json(self.get(path, timeout_s=timeout_s))

    def post_json(self, path: str, body: Any, *, timeout_s: float | None = None) -> Any:
        """POST ``body`` as JSON and return the answer's JSON; otherwise as :meth:`get_json`."""
        content = json.dumps(body).encode()
        return _ok_json(self._answer("POST", path, content=content, timeout_s=timeout_s))

    def _answer(
        self, method: str, path: str, *, content: bytes | None, timeout_s: float | None
    ) -> Exchange:
        headers = None if content is None else {"content-type": "application/json"}
        exchange = self.exchange(
            method, path, content=content, headers=headers, timeout_s=timeout_s
        )
        if exchange.outcome is not Outcome.COMPLETE:
            budget_s = self.timeout_s if timeout_s is None else timeout_s
            raise EndpointUnreachable(exchange, timeout_s=budget_s, server=self.server)
        return exchange


class _Progress:
    """What has come of a running request so far."""

    def __init__(
        self, method: str, url: str, deadline: Deadline, *, arrived: Callable[[], None]
    ) -> None:
        self._arrived = arrived
        self.method = method
        self.url = url
        self.deadline = deadline
        self.started_at_s = time.time()
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.arrivals: list[Arrival] = []
        self.events = 0
        self._unended = b""

    def read(self, response: httpx.Response, reading: Reading) -> bool:
        """Read the answer; return whether we hung up before its end."""
        self.status = response.status_code
        self.headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in response.headers.raw
        )
        for data in response.iter_raw():
            self._arrived()
            self.arrivals.append(Arrival(round(self.deadline.elapsed_s, 6), data))
            if reading.hang_up_after is not None:
                self._count_events(data)
                if self.events >= reading.hang_up_after:
                    return True
            if reading.pause_s:
                # the budget's end finds much taken in already, which is read without a pause
                time.sleep(min(reading.pause_s, self.deadline.remaining_s))
        return False

    def _count_events(self, data: bytes) -> None:
        """Count the blank lines that end events, also one whose bytes came in two pieces."""
        read = self._unended + data
        ends = [match.end() for match in _BLANK_LINE.finditer(read)]
        self.events += len(ends)
        self._unended = read[ends[-1] if ends else 0 :][-len(b"\r\n\r") :]

    def ended(self, outcome: Outcome, error: str) -> Exchange:
        return Exchange(
            method=self.method,
            url=self.url,
            outcome=outcome,
            error=error,
            started_at_s=self.started_at_s,
            elapsed_s=round(self.deadline.elapsed_s, 6),
            status=self.status,
            headers=self.headers,
            arrivals=tuple(self.arrivals),
        )


def _is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    port_fits = url.port is None or 0 < url.port < 2**16
    bare = not url.query and not url.fragment
    return url.scheme in {"http", "https"} and bool(url.host) and port_fits and bare


def _diagnosis(problem: Exception, budget_s: float, *, fired: bool) -> tuple[Outcome, str]:
    words = str(problem) or type(problem).__name__
    if fired or isinstance(problem, httpx.TimeoutException):
        return Outcome.TIMEOUT, f"budget of {budget_s:g} s spent: {words}"
    if isinstance(problem, httpx.ConnectError):
        return Outcome.UNREACHABLE, words
    return Outcome.CUT, words


def _ok_json(exchange: Exchange) -> Any:
    if exchange.status != 200:
        raise UnexpectedAnswer(exchange, "status 200")
    return exchange.json()
