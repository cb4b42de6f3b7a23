"""Judges: pure functions over a record, one promise each; ``None`` means the promise was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.serving.answer import error_message
from harness.serving.finding import Finding, Findings, found
from harness.serving.judges import count, framing, shape, text
from harness.serving.judges.pair import same_answer
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
)
"""What holds of an answer in one piece."""


def judge_stream(record: Record) -> Findings:
    """Judge a streamed answer; the findings come with the first cause first.

    Of a stream that broke off, by a cut, a timeout or an error event, only the break and what came
    before it are judged: a missing end is no second fault.
    """
    broke_off = _findings((framing.status, framing.complete, framing.error_event), record)
    if record.status != 200:
        return broke_off
    rest = ON_THE_WAY if broke_off else (*ON_THE_WAY, *AT_THE_END)
    return Findings([*broke_off, *_findings(rest, record)])


def judge_unary(record: Record) -> Findings:
    """Judge an answer in one piece; the findings come with the first cause first."""
    return _findings((framing.status, framing.complete), record) or _findings(WHOLE, record)


def judge_answer(record: Record) -> Findings:
    """Judge an answer in the form it was asked for."""
    return judge_stream(record) if record.request.stream else judge_unary(record)


def judge_refusal(record: Record, *, status: int, reason: bool = True) -> Findings:
    """Judge that a request was refused with ``status`` and, if ``reason``, a body that says why."""
    broken = _findings((framing.complete,), record)
    if broken:
        return broken
    if record.status != status:
        return Findings([found("refusal", f"status {status}", f"status {record.status}")])
    if reason and not error_message(record):
        body = record.body[:120].decode("utf-8", "replace")
        return Findings([found("refusal", "an error body with a message", repr(body))])
    return Findings()


def _findings(judges: Iterable[Judge], record: Record) -> Findings:
    judged = (judge(record) for judge in judges)
    return Findings(finding for finding in judged if finding is not None)


__all__ = ["judge_answer", "judge_refusal", "judge_stream", "judge_unary", "same_answer"]
