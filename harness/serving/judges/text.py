"""Judges of the text: there, no single unit over and over, every character whole."""

from __future__ import annotations

import re
from itertools import product

from harness.serving.answer import deltas, finish_reason, joined_parts, joined_text
from harness.serving.finding import Finding, found
from harness.serving.record import Record

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

REPEATS = 10
"""Back-to-back repeats of one unit that count as a broken engine, not as style."""

_LOOP = re.compile(rf"(.{{1,40}}?)\1{{{REPEATS - 1},}}", re.DOTALL)
_LOOP_SHARE = 0.8


def present(record: Record) -> Finding | None:
    """Judge that every choice says something: success with no token is no success."""
    saying = {delta.index for delta in deltas(record) if delta.says_something}
    silent = set(range(record.generation.choices)) - saying
    if not silent:
        return None
    return found("text", "text or a tool call in every choice", f"none in choice {min(silent)}")


def stopped(record: Record) -> Finding | None:
    """Judge that no choice contains a stop string: the text ends before it."""
    for index in range(record.generation.choices):
        parts = joined_parts(record, index)
        for stop, text in product(record.generation.stops, parts):
            if stop in text:
                at = text.index(stop)
                seen = f"{text[max(0, at - 20) : at + 20]!r} in choice {index}"
                return found("stop", f"a text that ends before {stop!r}", seen)
    return None


def degenerate(record: Record) -> Finding | None:
    """Judge that no choice is mostly one unit over and over, as of an engine in a broken state."""
    for index in range(record.generation.choices):
        text = joined_text(record, index)
        loop = max(_LOOP.finditer(text), key=lambda match: len(match[0]), default=None)
        if loop is not None and len(loop[0]) >= _LOOP_SHARE * len(text):
            times = len(loop[0]) // len(loop[1])
            seen = f"{loop[1]!r} {times} times in {len(text)} characters"
            return found("degenerate", "text that is not one unit over and over", seen)
    return None


def whole_characters(record: Record) -> Finding | None:
    """Judge that no character was split into replacement characters.

    At the very end of an answer that ran into its limit one may be: its other tokens never came.
    """
    for delta in deltas(record):
        said = delta.reasoning + delta.content
        at_end = said.endswith(REPLACEMENT) and _is_last_text(record, said, delta.index)
        judged = said.rstrip(REPLACEMENT) if at_end else said
        if REPLACEMENT in judged:
            seen = repr(said if len(said) <= 80 else f"{said[:80]}...")
            return found("characters", "whole characters", seen, event=delta.event)
    return None


def _is_last_text(record: Record, said: str, index: int) -> bool:
    limited = finish_reason(record, index) == "length"
    return limited and joined_text(record, index).endswith(said)
