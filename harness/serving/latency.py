"""Latencies and throughput of a batch of streams, as percentiles; pure.

Time to first token, from the request's start; gap: from one piece of text to the next; whole: from
the start to the last byte. A piece may hold several tokens; tokens are counted by the answers'
usage where it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil

from harness.exchange import Outcome
from harness.figures import PERCENTILES
from harness.serving.answer import deltas, first_token_s, usage
from harness.serving.record import Record


@dataclass(frozen=True)
class Latencies:
    """What a batch took; all in seconds, each list sorted."""

    first_token_s: tuple[float, ...]
    gap_s: tuple[float, ...]
    whole_s: tuple[float, ...]
    tokens: int
    elapsed_s: float

    @classmethod
    def of(cls, records: Iterable[Record]) -> Latencies:
        """Return the latencies of streams that came to their end; others are left out."""
        answered = [each for each in records if each.streamed and _is_answered(each)]
        firsts = [first for each in answered if (first := first_token_s(each)) is not None]
        gaps = [gap for each in answered for gap in _gaps(each)]
        begins = [each.started_at_s for each in answered]
        ends = [each.started_at_s + each.elapsed_s for each in answered]
        return cls(
            first_token_s=tuple(sorted(firsts)),
            gap_s=tuple(sorted(gaps)),
            whole_s=tuple(sorted(each.elapsed_s for each in answered)),
            tokens=sum(_tokens(each) for each in answered),
            elapsed_s=max(ends, default=0.0) - min(begins, default=0.0),
        )

    def figures(self) -> dict[str, float]:
        """Return every figure of :data:`~harness.figures.FIGURES` that the batch gives."""
        lists = {"first_token": self.first_token_s, "gap": self.gap_s, "whole": self.whole_s}
        figures = {
            f"{name}_p{share}": percentile(values, share)
            for name, values in lists.items()
            for share in PERCENTILES
            if values
        }
        if self.elapsed_s > 0:
            figures["throughput"] = self.tokens / self.elapsed_s
        return figures


def most_at_once(records: Iterable[Record]) -> int:
    """Return how many of the requests were in flight at the same moment, at most."""
    records = list(records)
    starts = [(each.started_at_s, 1) for each in records]
    ends = [(each.started_at_s + each.elapsed_s, -1) for each in records]
    return max(accumulate(change for _, change in sorted(starts + ends)), default=0)


def percentile(values: Sequence[float], share: int) -> float:
    """Return the smallest of sorted values that at least ``share`` percent do not exceed."""
    return values[max(0, ceil(len(values) * share / 100) - 1)]


def _is_answered(record: Record) -> bool:
    return record.status == 200 and record.outcome is Outcome.COMPLETE


def _gaps(record: Record) -> list[float]:
    times = [each.event.at_s for each in deltas(record) if each.says_something and each.event]
    return [after - before for before, after in pairwise(times)]


def _tokens(record: Record) -> int:
    counted = usage(record)
    if counted is not None:
        return counted.completion_tokens
    return sum(1 for delta in deltas(record) if delta.says_something)
