"""What the pretended model says: the tokens of each choice, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from tests.harness.serving.misbehaving.ask import Ask
from tests.harness.serving.misbehaving.words import own_length, words


@dataclass(frozen=True)
class Choice:
    """One choice of an answer, before anything of it is sent.

    ``pieces`` is the text, one token each; ``tokens`` counts those that were generated, which with
    a stop string are more. ``tool`` is the function that is called with the text as arguments.
    """

    index: int
    pieces: tuple[str, ...]
    tokens: int
    finish_reason: str
    tool: str | None = None


def generate(ask: Ask) -> list[Choice]:
    """Return the choices that ``ask`` asks for; all are equal where nothing is sampled."""
    return [_choice(ask, index) for index in range(ask.n)]


def _choice(ask: Ask, index: int) -> Choice:
    if ask.form is not None:
        return _formed(ask, index)
    key = f"{ask.key} {index}" if ask.sampled else ask.key
    own_end = ask.limit if ask.ignore_eos else own_length(key)
    pieces = tuple(islice(words(key), min(ask.limit, own_end)))
    reason = "length" if len(pieces) == ask.limit else "stop"
    return _stopped(ask, Choice(index, pieces, len(pieces), reason))


def _formed(ask: Ask, index: int) -> Choice:
    """JSON ends by itself, also where ``ignore_eos`` is asked for: more would not be JSON."""
    assert ask.form is not None
    pieces = ask.form.pieces[: ask.limit]
    own_reason = "stop" if ask.form.tool is None else "tool_calls"
    reason = "length" if len(pieces) == ask.limit else own_reason
    return Choice(index, pieces, len(pieces), reason, ask.form.tool)


def _stopped(ask: Ask, choice: Choice) -> Choice:
    """Return the choice up to the first stop string in it."""
    text = "".join(choice.pieces)
    met = [(text.find(stop), len(stop)) for stop in ask.stop if stop in text]
    if not met:
        return choice
    start, size = min(met)
    generated, _ = _up_to(choice.pieces, start + size)
    _, told = _up_to(choice.pieces, start + size if ask.keep_stop else start)
    return Choice(choice.index, told, generated, "stop")


def _up_to(pieces: tuple[str, ...], end: int) -> tuple[int, tuple[str, ...]]:
    """Return how many tokens reach ``end``, and the text up to it, cut into those tokens."""
    kept: list[str] = []
    for piece in pieces:
        if end <= 0:
            break
        kept.append(piece[:end])
        end -= len(piece)
    return len(kept), tuple(kept)
