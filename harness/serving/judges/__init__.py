"""Judges: pure functions over a record, one promise each; ``None`` means the promise was kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from harness.exchange import Outcome
from harness.serving.answer import error_message
from harness.serving.finding import Finding, Findings, found
from harness.serving.judges import count, framing, shape, text, tools
from harness.serving.judges.logprobs import logprobs
from harness.serving.judges.pair import same_answer
from harness.serving.judges.time import STALL_LIMIT_S, stall
from harness.serving.judges.tools import judge_json_text
from harness.serving.record import Record

Judge = Callable[[Record], Finding | None]

ON_THE_WAY: tuple[Judge, ...] = (
    framing.content_type,
    framing.framing,
    shape.shape,
    shape.identity,
    shape.model,
    shape.created,
    shape.object_type,
    shape.role,
    text.whole_characters,
    text.stopped,
    logprobs,
)
"""What holds of a stream at every moment, also of one that broke off."""

AT_THE_END: tuple[Judge, ...] = (
    framing.done,
    shape.order,
    shape.finish,
    count.length,
    count.usage_place,
    count.usage_sum,
    text.present,
    text.degenerate,
    tools.tool_calls,
)
"""What holds of a stream that came to its end."""

WHOLE: tuple[Judge, ...] = (
    framing.content_type,
    shape.shape,
    shape.identity,
    shape.model,
    shape.created,
    shape.object_type,
    shape.role,
    shape.order,
    shape.finish,
    count.length,
    count.usage_place,
    count.usage_sum,
    text.present,
    text.degenerate,
    text.whole_characters,
    text.stopped,
    logprobs,
    tools.tool_calls,
)
"""What holds of an answer in one piece."""


def judge_stream(record: Record, *, stall_limit_s: float = STALL_LIMIT_S) -> Findings:
    """Judge a streamed answer; the findings come with the first cause first.

    ``stall_limit_s`` is the longest pause within the stream. Of a stream that broke off, by a cut,
    a timeout or an error event, only the break and what came before it are judged: a missing end is
    no second fault.
    """
    broke_off = _findings((framing.status, framing.complete, framing.error_event), record)
    if record.status != 200:
        return broke_off
    rest = ON_THE_WAY if broke_off else (*ON_THE_WAY, *AT_THE_END)
    stalled = stall(record, limit_s=stall_limit_s)
    return Findings([*broke_off, *_findings(rest, record), *([stalled] if stalled else ())])


def judge_cancelled(record: Record) -> Findings:
    """Judge a stream that we hung up on: whole as far as it came, and not broken off before."""
    if record.outcome is not Outcome.CANCELLED:
        expected = "a stream that goes on until we hang up"
        return Findings([found("cancelled", expected, f"{record.outcome} ({record.error})")])
    return _findings((framing.status, framing.error_event, *ON_THE_WAY), record)


def judge_unary(record: Record) -> Findings:
    """Judge an answer in one piece; the findings come with the first cause first."""
    return _findings((framing.status, framing.complete), record) or _findings(WHOLE, record)


def judge_answer(record: Record, *, stall_limit_s: float = STALL_LIMIT_S) -> Findings:
    """Judge an answer in the form it was asked for."""
    if record.streamed:
        return judge_stream(record, stall_limit_s=stall_limit_s)
    return judge_unary(record)


def judge_refusal(
    record: Record, *, status: int | Collection[int], reason: bool = True
) -> Findings:
    """Judge that a request was refused with ``status`` (or one of several).

    With ``reason`` the answer has to say why, in a JSON body.
    """
    broken = _findings((framing.complete,), record)
    if broken:
        return broken
    allowed = {status} if isinstance(status, int) else set(status)
    if record.status not in allowed:
        expected = f"status {' or '.join(map(str, sorted(allowed)))}"
        body = record.body[:120].decode("utf-8", "replace")
        return Findings([found("refusal", expected, f"status {record.status}, body {body!r}")])
    if reason and not error_message(record):
        body = record.body[:120].decode("utf-8", "replace")
        return Findings([found("refusal", "an error body with a message", repr(body))])
    return Findings()


def _findings(judges: Iterable[Judge], record: Record) -> Findings:
    judged = (judge(record) for judge in judges)
    return Findings(finding for finding in judged if finding is not None)


__all__ = [
    "STALL_LIMIT_S",
    "judge_answer",
    "judge_cancelled",
    "judge_json_text",
    "judge_refusal",
    "judge_stream",
    "judge_unary",
    "same_answer",
]
