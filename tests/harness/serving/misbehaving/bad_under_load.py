"""Misbehaviours that show only in a crowd, or after clients have gone."""

from __future__ import annotations

from collections.abc import Iterator

from tests.harness.serving.misbehaving.hooks import (
    Misbehaviour,
    Reset,
    State,
    Step,
    Table,
    Turn,
)
from tests.harness.serving.misbehaving.reply import Refused
from tests.harness.serving.misbehaving.wire import Request

SLOTS = 40
CROWD = 32
"""Requests in flight that count as a crowd of 64 clients, who are never all in at one moment."""


def leaked(request: Request, state: State) -> float:
    """Refuse completions when no slot is left."""
    if request.method == "POST" and state.cancelled >= SLOTS:
        raise Refused(503, "no free slot", code="overloaded")
    return 0.0


def dropped(request: Request, state: State) -> float:
    """Refuse one of four completions in a crowd."""
    in_a_crowd = len(state.running) >= CROWD
    if request.method == "POST" and in_a_crowd and state.arrived % 4 == 0:
        raise Refused(503, "too busy", code="overloaded")
    return 0.0


def dooming(state: State) -> None:
    """Note that somebody has to go with the client that went."""
    state.doomed = min(state.doomed + 1, len(state.running) - 1)


def going_along(steps: Iterator[Step], turn: Turn) -> Iterator[Step]:
    """Cut this stream if it is next to be cut."""
    for step in steps:
        if turn.state.doomed > 0:
            turn.state.doomed -= 1
            yield Reset()
        yield step


TABLE: Table = {
    "cancelled-slots-leak": Misbehaviour(
        f"After {SLOTS} cancelled streams every completion is refused with 503.", admit=leaked
    ),
    "crowd-dropped": Misbehaviour(
        f"One of four completions is refused with 503 while {CROWD} or more are in flight.",
        admit=dropped,
    ),
    "cancel-cuts-another": Misbehaviour(
        "Whenever a client cancels its stream, another stream is cut too.",
        gone=dooming,
        steps=going_along,
    ),
}
