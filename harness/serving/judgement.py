"""Judgements as files: which records a test judged, by which judge, and what was found.

A judge is a pure function over records. So a saved run can be judged again, by today's judges and
without the server: ``python -m harness judge``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.secrets import Redactor
from harness.serving.account import Account
from harness.serving.finding import Findings
from harness.serving.judges import (
    STALL_LIMIT_S,
    judge_cancelled,
    judge_json_text,
    judge_refusal,
    judge_stream,
    judge_unary,
    same_answer,
)
from harness.serving.record import Record

JUDGEMENTS_FILE = "judgements.jsonl"


@dataclass(frozen=True)
class Judgement:
    """One judge's word on one record, or on two that have to agree; records by request id."""

    test: str
    judge: str
    records: tuple[str, ...]
    options: Mapping[str, Any]
    findings: tuple[str, ...]

    def to_line(self) -> str:
        """Return the judgement as one line of JSON, without the line's end."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Judgement:
        """Return the judgement that :meth:`to_line` made ``line`` of."""
        saved = json.loads(line)
        saved["records"], saved["findings"] = tuple(saved["records"]), tuple(saved["findings"])
        return cls(**saved)


def _json_text(record: Record, *, members: Sequence[str]) -> Findings:
    return judge_json_text(record, members=tuple(members))


JUDGES: Mapping[str, Callable[..., Findings]] = {
    "stream": judge_stream,
    "unary": judge_unary,
    "refusal": judge_refusal,
    "cancelled": judge_cancelled,
    "same answer": same_answer,
    "json": _json_text,
}
"""Judges by the name that a judgement is saved under; they take records, then options."""


class Judging:
    """The judges as one test uses them; every word is kept in a file."""

    _lock = threading.Lock()

    def __init__(
        self,
        path: Path,
        *,
        test: str,
        stall_limit_s: float = STALL_LIMIT_S,
        redactor: Redactor | None = None,
    ) -> None:
        self._path = path
        self._redactor = redactor or Redactor()
        self._test = test
        self._stall_limit_s = stall_limit_s

    @property
    def stall_limit_s(self) -> float:
        """Longest silence within a stream that is no stall, in seconds."""
        return self._stall_limit_s

    def stream(self, *records: Record) -> Findings:
        """Judge streamed answers."""
        return self._each("stream", records, stall_limit_s=self._stall_limit_s)

    def unary(self, *records: Record) -> Findings:
        """Judge answers in one piece."""
        return self._each("unary", records)

    def answer(self, *records: Record) -> Findings:
        """Judge each answer in the form it was asked for."""
        judged = (self.stream(each) if each.streamed else self.unary(each) for each in records)
        return Findings(finding for findings in judged for finding in findings)

    def refusal(self, record: Record, *, status: Sequence[int], reason: bool = True) -> Findings:
        """Judge that a request was refused with one of some statuses, and told why."""
        return self._keep("refusal", (record,), status=list(status), reason=reason)

    def cancelled(self, *records: Record) -> Findings:
        """Judge streams that we hung up on."""
        return self._each("cancelled", records)

    def same(self, first: Record, *others: Record) -> Findings:
        """Judge that answers say what the first says."""
        judged = (self._keep("same answer", (first, other)) for other in others)
        return Findings(finding for findings in judged for finding in findings)

    def account(self, records: Sequence[Record]) -> Account:
        """Count what became of records, by the same limits."""
        return Account.of(records, stall_limit_s=self._stall_limit_s)

    def json_text(self, record: Record, *, members: Sequence[str]) -> Findings:
        """Judge that a text is a JSON object with some members."""
        return self._keep("json", (record,), members=list(members))

    def _each(self, judge: str, records: Sequence[Record], **options: Any) -> Findings:
        judged = (self._keep(judge, (record,), **options) for record in records)
        return Findings(finding for findings in judged for finding in findings)

    def _keep(self, judge: str, records: Sequence[Record], **options: Any) -> Findings:
        findings = JUDGES[judge](*records, **options)
        ids = tuple(record.request_id for record in records)
        words = tuple(str(finding) for finding in findings)
        line = self._redactor.known(Judgement(self._test, judge, ids, options, words).to_line())
        with self._lock, self._path.open("a", encoding="ascii") as file:
            file.write(line + "\n")
        return findings


def load_judgements(path: Path) -> Iterator[Judgement]:
    """Yield the judgements of a file; an unfinished last line, of a killed run, is left out."""
    lines = path.read_text(encoding="ascii", errors="backslashreplace").split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield Judgement.from_line(line)
        except (ValueError, KeyError, TypeError, RecursionError) as damaged:
            raise HarnessError(
                f"expected a judgement in line {number} of {path}, seen {line[:80]!r}: {damaged!r}"
            ) from damaged


def judge_again(judgement: Judgement, records: Mapping[str, Record]) -> Findings:
    """Return what the judge finds now; raises :class:`HarnessError` where a record is missing."""
    missing = [each for each in judgement.records if each not in records]
    if missing or judgement.judge not in JUDGES:
        what = f"record {missing[0]}" if missing else f"judge {judgement.judge!r}"
        raise HarnessError(f"expected {what}, which {judgement.test} judged by; there is none")
    judged = [records[each] for each in judgement.records]
    return JUDGES[judgement.judge](*judged, **judgement.options)
