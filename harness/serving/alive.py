"""Whether a server still serves: asked after a failure, lest all that follows waits in vain."""

from __future__ import annotations

from harness.deadline import Deadline, wait_until
from harness.errors import ProductError
from harness.exchange import Outcome
from harness.serving.endpoint import Endpoint
from harness.serving.record import Record
from harness.serving.request import ChatRequest

ALIVE_S = 20.0
"""Seconds for a server to answer a short request again: twice the lease of a dead worker."""

ONE_ANSWER_S = 10.0


class ServesNoMore(ProductError):
    """A server that has served answers not even a short request any more."""


def check_serves(endpoint: Endpoint) -> None:
    """Raise :class:`ServesNoMore` unless a short request is answered within its time."""
    request = ChatRequest.ask(
        endpoint.served.model, "Are you there?", max_tokens=4, temperature=0.0
    )
    deadline = Deadline.after(ALIVE_S)
    seen: list[Record] = []

    def answers() -> bool:
        seen.append(endpoint.ask(request, timeout_s=max(1.0, deadline.capped(ONE_ANSWER_S))))
        return seen[-1].status == 200 and seen[-1].outcome is Outcome.COMPLETE

    if not wait_until(answers, deadline):
        last = seen[-1]
        raise ServesNoMore(
            f"{endpoint.http.base_url} has answered no short request for "
            f"{deadline.elapsed_s:.0f} s; the last: {last.outcome}, status {last.status} "
            f"({last.error or last.body[:120]!r})",
            hint="what the test before this asked for is likely to have brought it down",
        )
