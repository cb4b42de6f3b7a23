"""Misbehaviours of a stream's objects: identity, role, ends of the choices, errors as events."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.harness.serving.misbehaving.hooks import Json, Misbehaviour, Table, Turn
from tests.harness.serving.misbehaving.reply import error

Chunks = Callable[[Iterator[Json], Turn], Iterable[Json]]


def later(**changes: Any) -> Chunks:
    """Return a hook that changes members of every chunk but the first."""

    def hook(chunks: Iterator[Json], _turn: Turn) -> Iterator[Json]:
        for number, chunk in enumerate(chunks):
            yield {**chunk, **changes} if number else chunk

    return hook


def each_choice(change: Callable[[Json], object]) -> Chunks:
    """Return a hook that changes every choice of every chunk in place."""

    def hook(chunks: Iterator[Json], _turn: Turn) -> Iterator[Json]:
        for chunk in chunks:
            for choice in chunk["choices"]:
                change(choice)
            yield chunk

    return hook


def as_whole(chunks: Iterator[Json], turn: Turn) -> Iterator[Json]:
    """Call the chunks of a chat stream whole answers."""
    for chunk in chunks:
        yield {**chunk, "object": "chat.completion"} if turn.ask.chat else chunk


def without_role(choice: Json) -> None:
    """Forget who speaks."""
    choice.get("delta", {}).pop("role", None)


def as_user(choice: Json) -> None:
    """Say that the user speaks, wherever there is text."""
    if choice.get("delta", {}).get("content"):
        choice["delta"]["role"] = "user"


def without_finish(choice: Json) -> None:
    """Never say why the choice ended."""
    choice["finish_reason"] = None


def split_characters(choice: Json) -> None:
    """Make of every character that is not ASCII what is left when its bytes are read apart."""
    said = choice.get("delta", choice)
    for name in ("content", "text"):
        if said.get(name):
            said[name] = re.sub(r"[^\x00-\x7f]", "\ufffd\ufffd", said[name])


def finishing_twice(chunks: Iterator[Json], _turn: Turn) -> Iterator[Json]:
    """Say the end of every choice twice."""
    for chunk in chunks:
        yield chunk
        if any(choice["finish_reason"] for choice in chunk["choices"]):
            yield copy.deepcopy(chunk)


def finishing_early(chunks: Iterator[Json], _turn: Turn) -> list[Json]:
    """Say the end of the first choice before its last text."""
    told = list(chunks)
    mine = [at for at, each in enumerate(told) if _is_of_first(each)]
    if len(mine) > 1:
        told[mine[-1]], told[mine[-2]] = told[mine[-2]], told[mine[-1]]
    return told


def failing_halfway(chunks: Iterator[Json], _turn: Turn) -> list[Json]:
    """Tell of an error in the middle of the answer, and no more of that."""
    told = list(chunks)
    return [*told[: len(told) // 2], error("the engine is gone", status=500, code="engine_dead")]


def losing_one(chunks: Iterator[Json], _turn: Turn) -> list[Json]:
    """Lose a chunk with text, of the first choice."""
    told = list(chunks)
    mine = [at for at, each in enumerate(told) if _is_of_first(each)]
    middle = mine[(len(mine) - 1) // 2]
    return told[:middle] + told[middle + 1 :]


def telling_one_twice(chunks: Iterator[Json], _turn: Turn) -> Iterator[Json]:
    """Send the third chunk twice, if it has text."""
    for number, chunk in enumerate(chunks):
        yield chunk
        if number == 2 and _is_of_first(chunk) and not chunk["choices"][0]["finish_reason"]:
            yield copy.deepcopy(chunk)


def counting_in_the_end(chunks: Iterator[Json], _turn: Turn) -> list[Json]:
    """Put the usage into the chunk before its own."""
    *told, last = chunks
    if told and "usage" in last:
        return [*told[:-1], {**told[-1], "usage": last["usage"]}]
    return [*told, last]


def _is_of_first(chunk: Json) -> bool:
    return any(choice["index"] == 0 for choice in chunk["choices"])


TABLE: Table = {
    "id-changes": Misbehaviour(
        "The id of a stream changes after its first chunk.", chunks=later(id="chatcmpl-other")
    ),
    "model-changes": Misbehaviour(
        "The model of a stream changes after its first chunk.", chunks=later(model="other")
    ),
    "created-changes": Misbehaviour(
        "The time of creation of a stream changes after its first chunk.", chunks=later(created=1)
    ),
    "chunk-object-wrong": Misbehaviour(
        "The chunks of a chat stream say that they are whole answers.",
        chunks=as_whole,
    ),
    "role-missing": Misbehaviour(
        "A chat stream never says its role.", chunks=each_choice(without_role)
    ),
    "role-user": Misbehaviour(
        "A chat stream says role user with every text.", chunks=each_choice(as_user)
    ),
    "finish-missing": Misbehaviour(
        "No choice of a stream has a finish_reason.", chunks=each_choice(without_finish)
    ),
    "finish-twice": Misbehaviour(
        "Every choice of a stream has two finish_reasons.", chunks=finishing_twice
    ),
    "finish-early": Misbehaviour(
        "The finish_reason of a stream comes before the last text.", chunks=finishing_early
    ),
    "error-event": Misbehaviour(
        "A stream with status 200 tells of an error halfway, then says [DONE].",
        chunks=failing_halfway,
    ),
    "characters-split": Misbehaviour(
        "Multi-byte characters of a stream come as replacement characters.",
        chunks=each_choice(split_characters),
    ),
    "chunk-lost": Misbehaviour("A chunk in the middle of a stream is lost.", chunks=losing_one),
    "chunk-twice": Misbehaviour("A chunk of a stream comes twice.", chunks=telling_one_twice),
    "usage-with-finish": Misbehaviour(
        "The usage of a stream comes with the last finish_reason, not in a chunk of its own.",
        chunks=counting_in_the_end,
    ),
}
