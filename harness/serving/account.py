"""Every request accounted for: sent = answered + cancelled + failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.exchange import Outcome
from harness.serving.judges import STALL_LIMIT_S, judge_answer
from harness.serving.record import Record


@dataclass(frozen=True)
class Account:
    """How many requests were sent, and what became of them."""

    sent: int
    answered: int = 0
    cancelled: int = 0
    failed: int = 0

    @classmethod
    def of(cls, records: Iterable[Record], *, stall_limit_s: float = STALL_LIMIT_S) -> Account:
        """Count records: cancelled are those that we hung up on, failed those not as promised."""
        records = list(records)
        cancelled = [each for each in records if each.outcome is Outcome.CANCELLED]
        others = [each for each in records if each.outcome is not Outcome.CANCELLED]
        failed = sum(bool(judge_answer(each, stall_limit_s=stall_limit_s)) for each in others)
        return cls(len(records), len(others) - failed, len(cancelled), failed)
