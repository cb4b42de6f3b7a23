"""Misbehaviours of what is said: counts, limits, stop strings, seeds, choices, text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

from tests.harness.serving.misbehaving.ask import Ask
from tests.harness.serving.misbehaving.choices import Choice
from tests.harness.serving.misbehaving.hooks import Json, Misbehaviour, Table, Turn
from tests.harness.serving.misbehaving.words import words

Choices = Callable[[list[Choice], Turn], list[Choice]]


def asking(**changes: Any) -> Callable[[Ask, int], Ask]:
    """Return a hook that takes something else for asked."""
    return lambda ask, _number: replace(ask, **changes)


def each(change: Callable[[Choice], Choice]) -> Choices:
    """Return a hook that changes every choice."""
    return lambda choices, _turn: [change(choice) for choice in choices]


def over_the_limit(ask: Ask, _number: int) -> Ask:
    """Allow two tokens more than asked."""
    return replace(ask, limit=ask.limit + 2)


def unseeded(ask: Ask, number: int) -> Ask:
    """Sample every answer anew."""
    return replace(ask, key=f"{ask.key} {number}") if ask.sampled else ask


def never_greedy(ask: Ask, number: int) -> Ask:
    """Sample where nothing is to be sampled."""
    return ask if ask.sampled else replace(ask, key=f"{ask.key} {number}")


def one_alternative_less(ask: Ask, _number: int) -> Ask:
    """Give one alternative less for each token than asked."""
    return replace(ask, logprobs=max(0, ask.logprobs - 1)) if ask.logprobs else ask


def stopping_at_limit(choices: list[Choice], turn: Turn) -> list[Choice]:
    """Say stop where only the limit can have ended the answer."""
    if not turn.ask.ignore_eos:
        return choices
    return [replace(choice, finish_reason="stop") for choice in choices]


def halved(choice: Choice) -> Choice:
    """Leave off at half of an answer that runs into its limit, and say that this was it."""
    kept = max(1, len(choice.pieces) // 2)
    if choice.finish_reason != "length":
        return choice
    return replace(choice, pieces=choice.pieces[:kept], tokens=kept)


def elsewhere(choices: list[Choice], turn: Turn) -> list[Choice]:
    """Number the choices from 1, if there are several."""
    shift = int(turn.ask.n > 1)
    return [replace(choice, index=choice.index + shift) for choice in choices]


def otherwise_in_streams(choices: list[Choice], turn: Turn) -> list[Choice]:
    """Say another last word in a stream."""
    if not turn.ask.stream:
        return choices
    return [_with(choice, len(choice.pieces) - 1, " otherwise") for choice in choices]


def looped(choice: Choice) -> Choice:
    """Say the first token over and over."""
    if choice.tool:
        return choice
    return replace(choice, pieces=choice.pieces[:1] * len(choice.pieces))


def emptied(choice: Choice) -> Choice:
    """Generate tokens, and say nothing."""
    return choice if choice.tool else replace(choice, pieces=("",) * len(choice.pieces))


def nothing_said(choice: Choice) -> Choice:
    """Generate no token at all."""
    return replace(choice, pieces=(), tokens=0, finish_reason="stop")


def garbled_later(choices: list[Choice], turn: Turn) -> list[Choice]:
    """Say arbitrary words once the first requests are through."""
    if turn.number <= turn.state.settings.after:
        return choices
    return [
        replace(choice, pieces=tuple(islice(words(f"{turn.number}"), len(choice.pieces))))
        for choice in choices
    ]


def crossed(choices: list[Choice], turn: Turn) -> list[Choice]:
    """Say a word of another answer that is being told."""
    others = (word for told in turn.state.running.values() for word in told[0].pieces[1:])
    foreign = next((word for word in others if word not in choices[0].pieces[1:2]), None)
    if foreign is None:
        return choices
    return [_with(choice, min(1, len(choice.pieces) - 1), foreign) for choice in choices]


def miscounted(usage: Json, _turn: Turn) -> Json:
    """Count one token too many in the total."""
    return {**usage, "total_tokens": usage["total_tokens"] + 1}


def miscounted_in_streams(usage: Json, turn: Turn) -> Json:
    """Count one token too many of the prompt in a stream; the sum is right."""
    if not turn.ask.stream:
        return usage
    more = {name: usage[name] + 1 for name in ("prompt_tokens", "total_tokens")}
    return {**usage, **more}


def _with(choice: Choice, at: int, piece: str) -> Choice:
    if not choice.pieces or choice.tool:
        return choice
    return replace(choice, pieces=(*choice.pieces[:at], piece, *choice.pieces[at + 1 :]))


TABLE: Table = {
    "usage-missing": Misbehaviour(
        "A stream has no usage though it was asked for.", ask=asking(include_usage=False)
    ),
    "usage-unasked": Misbehaviour(
        "A stream has usage though it was not asked for.", ask=asking(include_usage=True)
    ),
    "usage-sum-wrong": Misbehaviour("The total of usage is no sum.", usage=miscounted),
    "usage-unlike-unary": Misbehaviour(
        "A stream counts one prompt token more than the same request's whole answer.",
        usage=miscounted_in_streams,
    ),
    "finish-unknown": Misbehaviour(
        "The finish_reason is none of OpenAI's.",
        choices=each(lambda choice: replace(choice, finish_reason="done")),
    ),
    "stop-at-limit": Misbehaviour(
        "The finish_reason is stop at the limit, though the end token is ignored.",
        choices=stopping_at_limit,
    ),
    "length-before-limit": Misbehaviour(
        "The answer leaves off at half its tokens and says length.", choices=each(halved)
    ),
    "over-limit": Misbehaviour(
        "The answer has two tokens more than max_tokens.", ask=over_the_limit
    ),
    "stop-string-in-text": Misbehaviour(
        "The stop string that ended an answer is part of its text.", ask=asking(keep_stop=True)
    ),
    "stop-ignored": Misbehaviour("Stop strings do not stop.", ask=asking(stop=())),
    "n-ignored": Misbehaviour("Several choices asked for, one given.", ask=asking(n=1)),
    "index-wrong": Misbehaviour("Several choices are numbered from 1.", choices=elsewhere),
    "logprobs-missing": Misbehaviour(
        "No log probabilities though they were asked for.", ask=asking(logprobs=None)
    ),
    "top-logprobs-short": Misbehaviour(
        "Each token has one alternative less than top_logprobs.", ask=one_alternative_less
    ),
    "seed-ignored": Misbehaviour(
        "Equal seeds give other answers each time, at a temperature above 0.", ask=unseeded
    ),
    "greedy-differs": Misbehaviour(
        "Equal requests give other answers each time, at temperature 0.", ask=never_greedy
    ),
    "tool-ignored": Misbehaviour(
        "Text instead of the tool call or the JSON that was asked for.", ask=asking(form=None)
    ),
    "tool-arguments-broken": Misbehaviour(
        "The arguments of a tool call are no JSON.",
        choices=each(lambda each: replace(each, pieces=each.pieces[1:]) if each.tool else each),
    ),
    "stream-unlike-unary": Misbehaviour(
        "A stream's last word is another than the whole answer's.", choices=otherwise_in_streams
    ),
    "degenerate": Misbehaviour("One token over and over.", choices=each(looped)),
    "text-empty": Misbehaviour("Tokens are counted, and there is no text.", choices=each(emptied)),
    "zero-tokens": Misbehaviour(
        "An answer of no token at all, with status 200.", choices=each(nothing_said)
    ),
    "second-batch-garbage": Misbehaviour(
        "After the first requests (--after) answers are arbitrary words.", choices=garbled_later
    ),
    "crosstalk": Misbehaviour(
        "An answer has a word of another one that is told at the same time.", choices=crossed
    ),
}
