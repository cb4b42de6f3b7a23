"""Judges of two answers that have to agree: a stream and its whole twin, or one asked twice."""

from __future__ import annotations

from harness.serving.answer import finish_reason, joined_text, usage
from harness.serving.finding import Finding, Findings, found
from harness.serving.record import Record


def same_answer(first: Record, second: Record) -> Findings:
    """Judge that two answers say the same: text, reason of the end, and usage where both count.

    Holds for equal prompts at temperature 0, or with equal seeds, if the deployment promises that.
    """
    judged = [
        judgement
        for index in range(first.generation.choices)
        for judgement in (_same_text(first, second, index), _same_finish(first, second, index))
    ]
    return Findings(each for each in [*judged, _same_usage(first, second)] if each is not None)


def _same_text(first: Record, second: Record, index: int) -> Finding | None:
    one, other = joined_text(first, index), joined_text(second, index)
    if one == other:
        return None
    pairs = enumerate(zip(one, other, strict=False))
    at = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    return found(
        "same-text",
        f"...{one[max(0, at - 20) : at + 30]!r} ({len(one)} characters)",
        f"...{other[max(0, at - 20) : at + 30]!r} ({len(other)} characters), differing at {at}",
    )


def _same_finish(first: Record, second: Record, index: int) -> Finding | None:
    one, other = finish_reason(first, index), finish_reason(second, index)
    return None if one == other else found("same-finish", repr(one), repr(other))


def _same_usage(first: Record, second: Record) -> Finding | None:
    one, other = usage(first), usage(second)
    if one is None or other is None or one == other:
        return None
    return found("same-usage", str(one), str(other))
