"""The judge of log-probabilities: there if and only if asked for, one a token, none above 0."""

from __future__ import annotations

from harness.serving.answer import Delta, Logprob, deltas, usage
from harness.serving.finding import Finding, found
from harness.serving.record import Record
from harness.serving.request import ChatRequest

ROUNDING = 1e-4
"""How far above 0 a rounded logarithm of 1 may come."""


def logprobs(record: Record) -> Finding | None:
    """Judge that every piece of text comes with its tokens' logprobs where they were asked for.

    Where they were not, none comes. A token may have fewer alternatives than asked for, which
    OpenAI calls rare; none has more, and not all of them have fewer.
    """
    asked = record.generation.top_logprobs
    if asked is None:
        return _none(record)
    # a plain completion's alternatives hold the token itself, also where it is none of the best
    most = max(asked, 1) if isinstance(record.request, ChatRequest) else asked + 1
    told = [delta for delta in deltas(record) if delta.content]
    for delta in told:
        wrong = _wrong(delta, most)
        if wrong:
            return found("logprobs", *wrong, event=delta.event)
    came = max((each.alternatives for delta in told for each in delta.logprobs or ()), default=0)
    if told and came < asked:
        return found("logprobs", f"{asked} alternatives for most tokens", f"never more than {came}")
    counted, tokens = usage(record), sum(len(delta.logprobs or ()) for delta in told)
    if counted is not None and tokens > counted.completion_tokens:
        expected = f"logprobs of at most {counted.completion_tokens} tokens, as usage counts them"
        return found("logprobs", expected, f"{tokens}")
    return None


def _none(record: Record) -> Finding | None:
    for delta in deltas(record):
        if delta.logprobs:
            return found(
                "logprobs", "none: not asked for", f"{delta.logprobs[0]}", event=delta.event
            )
    return None


def _wrong(delta: Delta, most: int) -> tuple[str, str] | None:
    if not delta.logprobs:
        return "logprobs beside every piece of text", f"none beside {delta.content[:40]!r}"
    for each in delta.logprobs:
        if each.value is None or each.value > ROUNDING:
            return "a logarithm of a probability, at most 0", _shown(each)
        if each.alternatives > most:
            return f"at most {most} alternatives for a token", _shown(each)
    return None


def _shown(logprob: Logprob) -> str:
    return f"{logprob.value} with {logprob.alternatives} alternatives for {logprob.token!r}"
