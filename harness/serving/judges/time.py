"""The judge of time: a stream that goes on does not stand still."""

from __future__ import annotations

from itertools import pairwise

from harness.serving.answer import deltas
from harness.serving.finding import Finding, found
from harness.serving.record import Record

STALL_LIMIT_S = 10.0
"""Longest pause between two pieces of text, in seconds, where nothing else is said."""


def stall(record: Record, *, limit_s: float = STALL_LIMIT_S) -> Finding | None:
    """Judge that no pause within a stream is longer than ``limit_s``.

    Counted from piece to piece of what is said, and to the end: a comment that keeps the connection
    open is no progress. The wait for the first piece is bounded by the request's own budget.
    """
    saying = [delta.event for delta in deltas(record) if delta.says_something and delta.event]
    ends = [*saying, *record.events[-1:]]
    for before, after in pairwise(ends):
        if after.at_s - before.at_s > limit_s:
            seen = f"{after.at_s - before.at_s:.2f} s without one"
            return found("stall", f"a piece of text every {limit_s:g} s", seen, event=after)
    return None
