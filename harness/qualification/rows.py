"""The results of a run as rows: what became of each test, whose problem it is, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.judge_run import TestEnd, TestState
from harness.qualification.saved import SavedRun
from harness.verdict_file import headline

FAILING = (TestState.FAILED, TestState.INTERRUPTED)
UNPROVED = (*FAILING, TestState.NOT_RUN, TestState.NEVER_RAN)
"""A promise with such a test was not kept, or could not be asked."""

_CAUSE_ID = re.compile(r"\bcause-\d+\b")
_PARAMETERS = re.compile(r"\[.*\]$", re.DOTALL)


@dataclass(frozen=True)
class ResultRow:
    """One test. ``reason`` is the line that names the error, the cause, or why it was skipped.

    ``verdict_class`` is empty where nothing failed, ``cause_id`` where no cause was diagnosed.
    ``message`` is all that was said. ``marks`` tell the kind.
    """

    id: str
    topology: str
    stage: str
    group: str
    promise: str
    outcome: TestState
    verdict_class: str = ""
    seconds: float = 0.0
    cause_id: str = ""
    reason: str = ""
    message: str = ""
    marks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The test without file and parameters: ``TestShutdown::test_no_step_is_left``."""
        return name_of(self.id)


def rows_of(saved: SavedRun) -> tuple[ResultRow, ...]:
    """Return the rows of a run, in the order of its plan."""
    return tuple(_row(end, saved) for end in saved.judged.ends)


@dataclass(frozen=True)
class Reason:
    """Why some tests did not pass, and how many they are."""

    tests: int
    state: TestState
    why: str


def reasons(rows: Iterable[ResultRow], *states: TestState) -> Iterator[Reason]:
    """Yield each reason of the tests in some states once, that of most tests first."""
    found = Counter(
        (row.outcome, row.cause_id, row.reason) for row in rows if row.outcome in states
    )
    for (state, cause_id, reason), tests in found.most_common():
        named = f"{cause_id}: " if cause_id and cause_id not in reason else ""
        yield Reason(tests, state, f"{named}{reason or 'the run ended before them'}")


def group_of(test: str) -> str:
    """Return the group of promises of a test id: its file's name, ``registration``."""
    file = test.partition("::")[0].rpartition("/")[2]
    return file.removeprefix("test_").removesuffix(".py").replace("_", " ")


def name_of(test: str) -> str:
    """Return a test id without its file and its parameters."""
    return _PARAMETERS.sub("", test.partition("::")[2])


def _row(end: TestEnd, saved: SavedRun) -> ResultRow:
    test = end.planned
    message = _message(end, saved)
    found = _CAUSE_ID.search(message)
    return ResultRow(
        test.id,
        topology=test.topology,
        stage=test.stage,
        group=group_of(test.id),
        promise=test.promise,
        outcome=end.state,
        verdict_class=str(end.verdict_class or ""),
        seconds=round(end.seconds, 3),
        cause_id=found.group() if found else "",
        reason=headline(message),
        message=message,
        marks=test.marks,
    )


def _message(end: TestEnd, saved: SavedRun) -> str:
    """Return what ``verdict.json`` says of a failure, which is all; the journal has a first line.

    Where the two are of different runs only the journal counts.
    """
    told = saved.verdict.get("failures")
    failure = told.get(end.planned.id) if isinstance(told, dict) else None
    message = str(failure.get("message") or "") if isinstance(failure, dict) else ""
    same = saved.verdict.get("run_id") in {saved.judged.run_id, None, ""}
    return message if message and same and end.state in FAILING else end.message
