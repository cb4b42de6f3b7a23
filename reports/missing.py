"""A result for every planned test, also where pytest was killed before Allure could write one.

allure-pytest writes the result of a test when the test has ended. Of a killed run the test that
ran and those behind it would just not be there, and the report would look green. What they came to
is in the journal of the run (:mod:`harness.judge_run`). The run's own results are never touched:
the missing ones go into a copy.
"""

from __future__ import annotations

import json
import math
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import VerdictClass
from harness.judge_run import JudgedRun, TestEnd, TestState, goes_on, judge_directory
from harness.strays import CLOCK_SLACK_S, PATTERN, RESULTS, strays_in
from harness.verdict_file import read_object
from reports.identity import identity, key_of

__all__ = ["PATTERN", "RESULTS", "complete_results", "missing_results"]

NEVER_RAN = "never ran: the run ended before it"
FROM_JOURNAL = "recorded in journal.jsonl; pytest ended before Allure wrote the test's own result"

STATUS = {
    TestState.PASSED: "passed",
    TestState.FAILED: "failed",
    TestState.INTERRUPTED: "broken",
    TestState.NOT_RUN: "skipped",
    TestState.SKIPPED: "skipped",
    TestState.NEVER_RAN: "skipped",
}
"""A failure that is not the product's is shown as broken, like allure-pytest does."""


@dataclass(frozen=True)
class Missing:
    """What a copy of the results has to have more, and which of its files say too much."""

    results: tuple[Mapping[str, Any], ...]
    wrong: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.results or self.wrong)


def complete_results(run_dir: Path, room: Path) -> Path:
    """Return a copy in ``room`` of the run's own results, with a result of every planned test."""
    own = run_dir / RESULTS
    missing = missing_results(run_dir)
    copy = room / RESULTS
    if own.is_dir():
        strays = strays_in(run_dir).files
        ignore = shutil.ignore_patterns("*.tmp", *missing.wrong, *strays)
        shutil.copytree(own, copy, ignore=ignore)
    copy.mkdir(exist_ok=True)
    for result in missing.results:
        (copy / f"{result['uuid']}-result.json").write_text(json.dumps(result), encoding="utf-8")
    return copy


def missing_results(run_dir: Path) -> Missing:
    """Return what the run's own results lack, by the journal and the plan.

    Nothing if these do not tell, or while the run goes on.
    """
    judged = None if goes_on(run_dir) else judge_directory(run_dir)
    if judged is None:
        return Missing((), ())
    strays = strays_in(run_dir).files
    results_in = _results_in(run_dir / RESULTS)
    found = {file: result for file, result in results_in if file not in strays}
    own = {file: result for file, result in found.items() if not _is_older(result, judged)}
    places = {key_of(result): file for file, result in own.items()}
    common = [label for result in own.values() for label in _labels_of_the_run(result)][:2]
    results, wrong = [], [file for file in found if file not in own]
    for end in judged.ends:
        made = identity(end.planned)
        file = places.get(key_of(made))
        if file is not None and not _says_too_much(own[file], end):
            continue
        wrong += [file] if file else []
        made["labels"] += common
        results.append({**made, **_outcome(end, judged.last_at), "uuid": _uuid(run_dir, end)})
    return Missing(tuple(results), tuple(wrong))


def _results_in(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file in sorted(folder.glob(PATTERN)):
        yield file.name, read_object(file)


def _labels_of_the_run(result: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return [
        label for label in result.get("labels", ()) if label.get("name") in {"host", "language"}
    ]


def _is_older(result: Mapping[str, Any], judged: JudgedRun) -> bool:
    """Whether a result is of an earlier run that was given the same directory."""
    return float(result.get("stop", math.inf)) < 1000 * (judged.first_at - CLOCK_SLACK_S)


def _says_too_much(result: Mapping[str, Any], end: TestEnd) -> bool:
    """Whether a result is green by its setup alone, of a test that never came to its end."""
    return end.state is TestState.INTERRUPTED and result.get("status") == "passed"


def _outcome(end: TestEnd, last_at: float) -> dict[str, Any]:
    message = NEVER_RAN if end.state is TestState.NEVER_RAN else end.message
    if end.state is TestState.NOT_RUN:
        message = f"not run: {end.message}"
    status = STATUS[end.state]
    if end.state is TestState.FAILED and end.verdict_class is not VerdictClass.FAIL:
        status = "broken"
    details = {"message": message or FROM_JOURNAL}
    if end.state is not TestState.NEVER_RAN:
        details["trace"] = FROM_JOURNAL
    return {
        "status": status,
        "statusDetails": details,
        "start": round(1000 * (end.started_at or last_at)),
        "stop": round(1000 * (end.ended_at or last_at)),
    }


def _uuid(run_dir: Path, end: TestEnd) -> str:
    """Return an id that stays the same when the report is rendered again."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_dir.resolve().name}/{end.planned.id}"))
