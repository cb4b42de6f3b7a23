"""Misbehaviours of a stream's bytes: events, their ends, the end mark, the connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from tests.harness.serving.misbehaving.hooks import Misbehaviour, Pause, Reset, Step, Table, Turn
from tests.harness.serving.misbehaving.reply import DONE, encoded

Steps = Callable[[Iterator[Step], Turn], Iterable[Step]]


def ending_in(*end: Step) -> Steps:
    """Return a hook that puts something else into the end mark's place."""

    def hook(steps: Iterator[Step], _turn: Turn) -> Iterator[Step]:
        for step in steps:
            yield from end if step == DONE else (step,)

    return hook


def second(change: Callable[[bytes], bytes]) -> Steps:
    """Return a hook that changes the bytes of the second event."""

    def hook(steps: Iterator[Step], _turn: Turn) -> Iterator[Step]:
        for number, step in enumerate(steps, start=1):
            yield change(step) if number == 2 and isinstance(step, bytes) else step

    return hook


def adding_late(steps: Iterator[Step], _turn: Turn) -> Iterator[Step]:
    """Send a chunk without choices after the end mark; all else of it is as in the first."""
    first = b""
    for step in steps:
        first = first or (step if isinstance(step, bytes) else b"")
        yield step
    chunk = json.loads(first.removeprefix(b"data: "))
    yield b"data: " + encoded({**chunk, "choices": []}) + b"\n\n"


def halfway(*, then: Step | None = None) -> Steps:
    """Return a hook that leaves off in the middle of the answer; ``then`` is what still happens."""

    def hook(steps: Iterator[Step], _turn: Turn) -> list[Step]:
        told = list(steps)
        return [*told[: len(told) // 2], *([] if then is None else [then])]

    return hook


def stalled(steps: Iterator[Step], turn: Turn) -> list[Step]:
    """Say nothing for some seconds in the middle of the answer."""
    told = list(steps)
    middle = len(told) // 2
    return [*told[:middle], Pause(turn.state.settings.stall_s), *told[middle:]]


TABLE: Table = {
    "done-missing": Misbehaviour("A stream ends without [DONE].", steps=ending_in()),
    "done-twice": Misbehaviour("A stream ends with two [DONE].", steps=ending_in(DONE, DONE)),
    "event-after-done": Misbehaviour(
        "A chunk without choices comes after [DONE].", steps=adding_late
    ),
    "blank-line-missing": Misbehaviour(
        "The second event of a stream is not ended by a blank line.",
        steps=second(lambda event: event[:-1]),
    ),
    "event-line": Misbehaviour(
        "The second event of a stream has an `event:` line.",
        steps=second(lambda event: b"event: message\n" + event),
    ),
    "event-not-json": Misbehaviour(
        "A stream has an event that is not JSON, after its first.",
        steps=second(lambda event: b"data: wait\n\n" + event),
    ),
    "event-json-list": Misbehaviour(
        "A stream has an event that is JSON but no object, after its first.",
        steps=second(lambda event: b"data: []\n\n" + event),
    ),
    "bytes-not-utf8": Misbehaviour(
        "The second event of a stream has a byte that is no UTF-8.",
        steps=second(lambda event: event.replace(b"}\n\n", b',"x":"\xff"}\n\n')),
    ),
    "stream-as-json": Misbehaviour(
        "A stream calls itself application/json.", stream_type="application/json"
    ),
    "stream-reset": Misbehaviour(
        "A stream is cut by a connection reset in the middle of good text.",
        steps=halfway(then=Reset()),
    ),
    "stream-ends-early": Misbehaviour(
        "A stream ends in the middle as if that were its end: no finish_reason, no [DONE].",
        steps=halfway(),
    ),
    "stream-stalls": Misbehaviour(
        "A stream says nothing for some seconds (--stall-s) in its middle.", steps=stalled
    ),
}
