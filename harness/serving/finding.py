"""What a judge says when a promise was broken."""

from __future__ import annotations

from dataclasses import dataclass

from harness.serving.sse import Event


@dataclass(frozen=True)
class Finding:
    """One broken promise of one record: what was expected, what was seen, at which event.

    ``promise`` is a short id, such as ``done`` or ``usage-sum``; ``event`` counts from 1, ``None``
    when the finding is about the answer as a whole.
    """

    promise: str
    expected: str
    seen: str
    event: int | None = None

    def __str__(self) -> str:
        where = "" if self.event is None else f" (event {self.event})"
        return f"{self.promise}: expected {self.expected}; seen {self.seen}{where}"

    __repr__ = __str__


class Findings(list[Finding]):
    """All findings of one judgement, the first cause first.

    ``str()`` gives one line each; ``repr()``, which an assertion shows, gives them all in one.
    """

    def __str__(self) -> str:
        if not self:
            return "no findings"
        return "\n".join(f"- {finding}" for finding in self)

    def __repr__(self) -> str:
        numbered = enumerate(self, start=1)
        return " ".join(f"[{number}] {finding}" for number, finding in numbered) or "no findings"


def found(promise: str, expected: str, seen: str, *, event: Event | None = None) -> Finding:
    """Return a finding about ``event``, or about the whole answer."""
    return Finding(promise, expected, seen, None if event is None else event.number)
