"""The verdict of a run by its saved requests, judged anew; from files of the run directory alone.

What no request tells (shutdowns, leftovers, nodes) is taken from the run's own outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, VerdictClass
from harness.judge_run import RunCounts
from harness.rundir import RECORDS_FILE
from harness.serving.judgement import JUDGEMENTS_FILE, Judgement, judge_again, load_judgements
from harness.serving.record import Record, load_records
from harness.verdict import verdict_line, verdict_of
from harness.verdict_file import VERDICT_FILE, counts_of, judged_verdict, read_object

NO_JUDGEMENTS = f"no {VERDICT_FILE} or no {JUDGEMENTS_FILE}: nothing that could be judged again"
SHOWN = 3


@dataclass(frozen=True)
class Rejudged:
    """What today's judges say of a run.

    ``found`` are the findings of now by test, ``before`` those of the run; ``judged`` counts the
    judgements. ``failed`` holds the class of each test that failed in the run.
    """

    told: Mapping[str, Any]
    judged: int
    found: Mapping[str, tuple[str, ...]]
    before: Mapping[str, tuple[str, ...]]
    failed: Mapping[str, VerdictClass]

    @property
    def newly_failed(self) -> tuple[str, ...]:
        """Tests that passed, and whose records are found wrong now."""
        return tuple(test for test in self.found if test not in self.failed)

    @property
    def cleared(self) -> tuple[str, ...]:
        """Tests that failed by findings which nobody makes any more.

        They count as not run: the failure had kept the rest of the test from being asked.
        """
        return tuple(test for test in self.before if test in self.failed and test not in self.found)

    @property
    def counts(self) -> RunCounts:
        """The counts of the run, with the tests moved over that are judged otherwise now."""
        told, worse, cleared = counts_of(self.told), len(self.newly_failed), len(self.cleared)
        return replace(
            told,
            passed=max(0, told.passed - worse),
            failed=max(0, told.failed + worse - cleared),
            not_run=told.not_run + cleared,
        )

    @property
    def verdict(self) -> VerdictClass:
        """The class of the run now."""
        classes = [given for test, given in self.failed.items() if test not in self.cleared]
        classes += [VerdictClass.FAIL] * len(self.newly_failed)
        if self.told.get("error") and not classes:
            return VerdictClass(str(self.told["verdict"]))
        return verdict_of(classes, self.counts, finished=bool(self.told.get("finished")))

    def lines(self) -> Iterator[str]:
        """Yield what a reader needs: what is judged otherwise than in the run, then the verdict."""
        for test in self.newly_failed:
            yield f"passed in the run, fails now: {test}"
            yield from (f"  {finding}" for finding in self.found[test][:SHOWN])
        for test in self.cleared:
            yield f"failed in the run, nothing is found now, the rest of it never ran: {test}"
            yield from (f"  then: {finding}" for finding in self.before[test][:SHOWN])
        wrong = sum(map(len, self.found.values()))
        yield f"{self.judged} judgements made again: {wrong} findings in {len(self.found)} tests"
        yield verdict_line(
            self.verdict,
            self.counts,
            emulated=self.told.get("emulated"),
            seconds=float(self.told.get("seconds") or 0.0),
        )


def rejudge(run_dir: Path) -> Rejudged | None:
    """Judge a run's records again; ``None`` where it kept none or has no outcome.

    Raises :class:`~harness.errors.HarnessError` for damaged or missing records.
    """
    told = read_object(run_dir / VERDICT_FILE) or judged_verdict(run_dir)
    file = run_dir / JUDGEMENTS_FILE
    if not told or not file.exists():
        return None
    records = _records(run_dir / RECORDS_FILE)
    found: dict[str, tuple[str, ...]] = {}
    before: dict[str, tuple[str, ...]] = {}
    judged = 0
    for judgement in load_judgements(file):
        judged += 1
        _note(before, judgement, judgement.findings)
        _note(found, judgement, tuple(map(str, judge_again(judgement, records))))
    failures = dict(told.get("failures") or {})
    failed = {test: VerdictClass(str(each.get("class"))) for test, each in failures.items()}
    return Rejudged(told, judged, found, before, failed)


def _note(
    by_test: dict[str, tuple[str, ...]], judgement: Judgement, findings: tuple[str, ...]
) -> None:
    if findings:
        by_test[judgement.test] = (*by_test.get(judgement.test, ()), *findings)


def _records(path: Path) -> dict[str, Record]:
    if not path.exists():
        raise HarnessError(f"expected the run's requests in {path}; there is no such file")
    return {record.request_id: record for record in load_records(path)}
