"""What came of one HTTP request: facts with arrival times, and the errors for a missing answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from harness.compat import StrEnum
from harness.errors import ProductError


class Outcome(StrEnum):
    """How an exchange ended on the wire; whether the answer was right is for a judge to say."""

    COMPLETE = "complete"
    """The answer came to its end as HTTP defines it, whatever its status."""
    CUT = "cut"
    """The connection ended, or spoke something that is no HTTP, before the answer's end."""
    TIMEOUT = "timeout"
    """The budget of the whole request was spent."""
    UNREACHABLE = "unreachable"
    """No connection came about."""
    CANCELLED = "cancelled"
    """We hung up in the middle, as the request was meant to end."""


@dataclass(frozen=True)
class Reading:
    """How a client reads an answer, where not at once and to its end.

    After ``hang_up_after`` events it hangs up. After each piece it waits ``pause_s`` seconds, with
    no more than ``receive_buffer`` bytes taken in meanwhile: so the server has to wait for it.
    """

    hang_up_after: int | None = None
    pause_s: float = 0.0
    receive_buffer: int | None = None


@dataclass(frozen=True)
class Arrival:
    """Bytes of an answer's body as they came in, ``at_s`` seconds after the request's start."""

    at_s: float
    data: bytes


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it; ``status`` is ``None`` when no head of an answer came."""

    method: str
    url: str
    outcome: Outcome
    error: str
    started_at_s: float
    """Wall clock, seconds since the epoch."""
    elapsed_s: float
    status: int | None
    headers: tuple[tuple[str, str], ...]
    arrivals: tuple[Arrival, ...]

    @property
    def body(self) -> bytes:
        """All bytes of the body that came."""
        return b"".join(arrival.data for arrival in self.arrivals)

    def json(self) -> Any:
        """Return the body as JSON; raise :class:`UnexpectedAnswer` when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as malformed:
            raise UnexpectedAnswer(self, "a JSON body") from malformed


class EndpointUnreachable(ProductError):
    """No complete HTTP answer came: refused, cut, or not within the budget. See ``exchange``."""

    def __init__(self, exchange: Exchange, *, timeout_s: float, server: str = "") -> None:
        of = f" of {server}" if server else ""
        super().__init__(
            f"expected an HTTP answer{of} to {exchange.method} {exchange.url} "
            f"within {timeout_s:g} s; "
            f"seen: {exchange.outcome} after {exchange.elapsed_s:.2f} s ({exchange.error})",
            hint="the log of the step that listens there says whether it is alive",
        )
        self.exchange = exchange


class UnexpectedAnswer(ProductError):
    """An HTTP answer came, but not of the promised status or shape. See ``exchange``."""

    def __init__(self, exchange: Exchange, expected: str) -> None:
        seen = exchange.body[:300].decode("utf-8", "replace")
        super().__init__(
            f"expected {expected} from {exchange.method} {exchange.url}; "
            f"seen: status {exchange.status}, body {seen!r} after {exchange.elapsed_s:.2f} s",
        )
        self.exchange = exchange
