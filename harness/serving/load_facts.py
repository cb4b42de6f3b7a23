"""What came of a steady load: one fact a request, and what they say together.

All times are wall clock, in seconds since the epoch, as :attr:`Record.started_at_s` and the run's
``events.jsonl`` have them: a kill, a start and a failure can be set side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from harness.exchange import Outcome
from harness.serving.judges import STALL_LIMIT_S, judge_answer
from harness.serving.record import Record
from harness.serving.workers import worker_ids

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Answered:
    """One request of a load and what came of it; the sink has its whole record.

    ``why`` is the first finding in words and ``kind`` what it is counted as: ``status 503``,
    ``cut``, ``timeout``, ``unreachable``, or the id of the broken promise. Both are ``""`` if
    ``ok``. ``status`` is ``None`` when no head of an answer came.
    """

    started_at_s: float
    ended_at_s: float
    ok: bool
    why: str
    status: int | None
    request_id: str
    prefill_worker: int | None
    decode_worker: int | None
    kind: str = ""

    @classmethod
    def of(cls, record: Record, *, stall_limit_s: float = STALL_LIMIT_S) -> Self:
        """Judge a record and keep what a load needs to know of it."""
        findings = judge_answer(record, stall_limit_s=stall_limit_s)
        workers = worker_ids(record)
        return cls(
            started_at_s=record.started_at_s,
            ended_at_s=record.started_at_s + record.elapsed_s,
            ok=not findings,
            why=str(findings[0]) if findings else "",
            status=record.status,
            request_id=record.request_id,
            prefill_worker=workers.prefill,
            decode_worker=workers.decode,
            kind=_kind(findings[0].promise, record) if findings else "",
        )


@dataclass(frozen=True)
class LoadFacts:
    """The finished requests of a load, in the order in which they began.

    ``missed_slots`` counts the moments at which the schedule wanted a request and all clients were
    still waiting for an answer: the load was thinner than asked for by that many requests.
    """

    answered: tuple[Answered, ...]
    missed_slots: int = 0

    @classmethod
    def of(cls, answered: Iterable[Answered], *, missed_slots: int = 0) -> Self:
        """Return the facts of requests that came in any order."""
        return cls(tuple(sorted(answered, key=lambda each: each.started_at_s)), missed_slots)

    @property
    def sent(self) -> int:
        """How many requests were sent and came to an end; those in flight are not yet counted."""
        return len(self.answered)

    @property
    def failed(self) -> list[Answered]:
        """All that were not answered as promised."""
        return [each for each in self.answered if not each.ok]

    def during(self, start_s: float, end_s: float) -> list[Answered]:
        """Return those in flight at any moment from ``start_s`` to ``end_s``, both included.

        ``during(t, t)`` are those that were in flight at ``t``.
        """
        return [
            each
            for each in self.answered
            if each.started_at_s <= end_s and each.ended_at_s >= start_s
        ]

    def failures_after(self, since_s: float) -> list[Answered]:
        """Return the failed requests that began at ``since_s`` or later."""
        return [each for each in self.failed if each.started_at_s >= since_s]

    @property
    def first_failure_s(self) -> float | None:
        """When the first of the failed requests began; ``None`` when none failed."""
        return min((each.started_at_s for each in self.failed), default=None)

    @property
    def last_failure_s(self) -> float | None:
        """When the last of the failed requests ended; ``None`` when none failed."""
        return max((each.ended_at_s for each in self.failed), default=None)

    def window_s(self, since_s: float) -> float:
        """Return how long clients saw a disturbance at ``since_s``, in seconds.

        It lasts until the last failed request that began at ``since_s`` or later had ended; 0.0
        when there is none. A request that hangs until its budget is spent makes the window that
        much longer: :meth:`exposure_s` is free of it. What was in flight at ``since_s`` and failed
        is no part of either; ``during(since_s, since_s)`` has it.
        """
        return max(
            (each.ended_at_s - since_s for each in self.failures_after(since_s)), default=0.0
        )

    def exposure_s(self, since_s: float) -> float:
        """Return how long after ``since_s`` a new request could still be lost, in seconds.

        That is until the start of the last failed request that began at ``since_s`` or later; 0.0
        when there is none.
        """
        starts = (each.started_at_s - since_s for each in self.failures_after(since_s))
        return max(starts, default=0.0)

    def answered_by_prefill(self, start_s: float) -> frozenset[int]:
        """Return the prefill workers that good answers begun at ``start_s`` or later name."""
        named = {each.prefill_worker for each in self._good_after(start_s)}
        return frozenset(each for each in named if each is not None)

    def answered_by_decode(self, start_s: float) -> frozenset[int]:
        """Return the decode workers that good answers begun at ``start_s`` or later name."""
        named = {each.decode_worker for each in self._good_after(start_s)}
        return frozenset(each for each in named if each is not None)

    def describe_failures(self, limit: int = 3) -> str:
        """Say in a sentence how many failed, of what, and which were the first ``limit``."""
        failed = self.failed
        if not failed:
            return f"none of {self.sent} requests failed"
        kinds = Counter(each.kind or "failed" for each in failed).most_common()
        counts = ", ".join(f"{count} x {kind}" for kind, count in kinds)
        first = "; ".join(
            f"{each.request_id} at {_clock(each.started_at_s)} after "
            f"{each.ended_at_s - each.started_at_s:.2f} s: {each.why}"
            for each in failed[:limit]
        )
        which = "all" if len(failed) <= limit else f"the first {limit}"
        told = f"{len(failed)} of {self.sent} requests failed ({counts})"
        return f"{told}; {which}: {first}" if first else told

    def _good_after(self, start_s: float) -> list[Answered]:
        return [each for each in self.answered if each.ok and each.started_at_s >= start_s]


def _kind(promise: str, record: Record) -> str:
    if record.status not in {200, None}:
        return f"status {record.status}"
    return promise if record.outcome is Outcome.COMPLETE else str(record.outcome)


def _clock(at_s: float) -> str:
    moment = datetime.fromtimestamp(at_s, timezone.utc)
    return moment.strftime("%H:%M:%S.%f")[:-3] + "Z"
