"""Where a misbehaviour may take hold: one place each, all of them honest unless it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.harness.serving.misbehaving.ask import Ask
from tests.harness.serving.misbehaving.choices import Choice
from tests.harness.serving.misbehaving.reply import Reply
from tests.harness.serving.misbehaving.wire import Request

T = TypeVar("T")
Json = dict[str, Any]

FOR_EVER_S = 1e9

DEFAULT_MODEL = "misbehaving/words"


@dataclass(frozen=True)
class Settings:
    """What the server is started with.

    ``after`` is how many requests go well before the misbehaviours that need a while.
    """

    model: str = DEFAULT_MODEL
    token_s: float = 0.002
    stall_s: float = 8.0
    after: int = 8


@dataclass
class State:
    """What the server knows of its past and present; only completions count."""

    settings: Settings
    arrived: int = 0
    cancelled: int = 0
    running: dict[int, list[Choice]] = field(default_factory=dict)
    """The choices of every answer that is being told, by the number of its request."""
    doomed: int = 0
    hung: bool = False


@dataclass(frozen=True)
class Turn:
    """A request that is being answered; ``number`` counts from 1."""

    number: int
    ask: Ask
    state: State


@dataclass(frozen=True)
class Pause:
    """Nothing is sent for a while."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """The connection is cut."""


Step = bytes | Pause | Reset
"""What a stream is made of on the wire."""


def unchanged(value: T, *_: object) -> T:
    """Leave a value as it is."""
    return value


def nothing(*_: object) -> float:
    """Do nothing, and let nobody wait."""
    return 0.0


@dataclass(frozen=True)
class Misbehaviour:
    """One deviation: a sentence, and what it does at one of the places, in their order.

    ``admit``   returns how long a request has to wait, in seconds; may raise ``Refused``
    ``body``    the body as it came, with the path and the served model
    ``ask``     what is asked for, after it was found right, with the request's number
    ``choices`` what is said, streamed or whole
    ``usage``   the counts, streamed or whole
    ``head``    id, object, created and model, streamed or whole
    ``chunks``  the objects of a stream
    ``steps``   the stream's events as bytes, ``[DONE]`` among them
    ``whole``   the object of an answer in one piece
    ``reply``   an answer in one piece as it leaves: also an error
    ``after``   when such an answer has left
    ``gone``    when the client of a stream has gone
    """

    description: str
    admit: Callable[[Request, State], float] = nothing
    body: Callable[[bytes, str, str], bytes] = unchanged
    ask: Callable[[Ask, int], Ask] = unchanged
    choices: Callable[[list[Choice], Turn], list[Choice]] = unchanged
    usage: Callable[[Json, Turn], Json] = unchanged
    head: Callable[[Json, Turn], Json] = unchanged
    chunks: Callable[[Iterator[Json], Turn], Iterable[Json]] = unchanged
    steps: Callable[[Iterator[Step], Turn], Iterable[Step]] = unchanged
    whole: Callable[[Json, Turn], Json] = unchanged
    reply: Callable[[Reply, Request], Reply] = unchanged
    after: Callable[[Reply, State], object] = nothing
    gone: Callable[[State], object] = nothing
    stream_type: str = "text/event-stream"


HONEST = Misbehaviour("Does what it should.")

Table = dict[str, Misbehaviour]
