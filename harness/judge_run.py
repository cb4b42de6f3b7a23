"""What became of each test of a run, and the class of a run that could not give its own verdict.

Pure but for the reading: ``tests.json`` says what was planned, ``journal.jsonl`` how far it came.
A run that was killed is INVALID, or what a failure before the kill makes of it; never PASS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compat import StrEnum
from harness.errors import VerdictClass
from harness.journal import GRAVE, JOURNAL_FILE, Entry, Outcome, is_being_written, read_journal
from harness.planned import PLANNED_FILE, PlannedTest, read_planned
from harness.verdict import Counts, verdict_of


class TestState(StrEnum):
    """What became of a planned test."""

    __test__ = False  # pytest takes the class for tests otherwise

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    NEVER_RAN = "never ran"


@dataclass(frozen=True)
class RunCounts(Counts):
    """Counts of a run that may have been cut short."""

    interrupted: int = 0
    never_ran: int = 0

    def __str__(self) -> str:
        if not self.interrupted:
            return super().__str__() + (f", {self.never_ran} never ran" if self.never_ran else "")
        parts = [f"{self.passed} passed", f"{self.failed} failed"]
        parts += [f"{self.not_run} not run"] if self.not_run else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join([*parts, f"{self.interrupted} interrupted", f"{self.never_ran} never ran"])


@dataclass(frozen=True)
class TestEnd:
    """How far one test came; times in seconds since the epoch.

    ``cut`` says that it had started and its last phase did not end.
    """

    __test__ = False  # as above

    planned: PlannedTest
    state: TestState
    verdict_class: VerdictClass | None = None
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    cut: bool = False

    @property
    def seconds(self) -> float:
        """How long it ran, as far as is known."""
        return max(0.0, (self.ended_at or 0.0) - (self.started_at or 0.0))


@dataclass(frozen=True)
class JudgedRun:
    """A run as its files tell of it; ``last_at`` is its last sign of life."""

    ends: tuple[TestEnd, ...]
    first_at: float
    last_at: float
    run_id: str = ""

    @property
    def seconds(self) -> float:
        """How long it lived."""
        return self.last_at - self.first_at

    @property
    def counts(self) -> RunCounts:
        """How many tests ended how."""
        states = [end.state for end in self.ends]
        return RunCounts(
            passed=states.count(TestState.PASSED),
            failed=states.count(TestState.FAILED),
            not_run=states.count(TestState.NOT_RUN),
            skipped=states.count(TestState.SKIPPED),
            interrupted=states.count(TestState.INTERRUPTED),
            never_ran=states.count(TestState.NEVER_RAN),
        )

    @property
    def failures(self) -> tuple[TestEnd, ...]:
        """The tests that failed or were interrupted, in order; each has a class."""
        return tuple(end for end in self.ends if end.verdict_class is not None)

    @property
    def interrupted(self) -> str | None:
        """Id of the test that ran when pytest ended."""
        cut = [end.planned.id for end in self.ends if end.cut or end.state is TestState.INTERRUPTED]
        return cut[-1] if cut else None

    @property
    def verdict(self) -> VerdictClass:
        """The class of a run that did not come to its end."""
        classes = [end.verdict_class for end in self.failures if end.verdict_class]
        return verdict_of(classes, self.counts, finished=False)


def judge(planned: Sequence[PlannedTest], entries: Sequence[Entry]) -> JudgedRun:
    """Return what became of every planned test, and of any that only the journal knows."""
    by_test: dict[str, list[Entry]] = {test.id: [] for test in planned}
    for entry in entries:
        if entry.test:
            by_test.setdefault(entry.test, []).append(entry)
    known = {test.id: test for test in planned}
    times = [entry.at for entry in entries] or [0.0]
    return JudgedRun(
        tuple(
            _end(known.get(test, PlannedTest(test)), lines, last_at=max(times))
            for test, lines in by_test.items()
        ),
        first_at=min(times),
        last_at=max(times),
        run_id=next((entry.run_id for entry in entries if entry.run_id), ""),
    )


_WORST_FIRST = (Outcome.FAILED, Outcome.INTERRUPTED, Outcome.NOT_RUN, Outcome.SKIPPED)


def _end(test: PlannedTest, lines: Sequence[Entry], *, last_at: float) -> TestEnd:
    if not lines:
        return TestEnd(test, TestState.NEVER_RAN)
    cut = not any(line.phase == "teardown" for line in lines)
    started_at, ended_at = lines[0].at, last_at if cut else lines[-1].at
    end = TestEnd(test, TestState.PASSED, started_at=started_at, ended_at=ended_at, cut=cut)
    for outcome in _WORST_FIRST:
        for line in lines:
            if line.outcome is outcome:
                state, given = TestState(outcome.value), _class_of(line)
                return replace(end, state=state, verdict_class=given, message=line.message)
    if cut:
        message = f"interrupted here: pytest ended while this test ran, after {end.seconds:.0f} s"
        given = VerdictClass.INVALID
        return replace(end, state=TestState.INTERRUPTED, verdict_class=given, message=message)
    return end


def _class_of(line: Entry) -> VerdictClass | None:
    """Return the class of a failure, ``None`` for what is none."""
    if line.outcome not in GRAVE:
        return None
    try:
        return VerdictClass(str(line.verdict_class))
    except ValueError:
        return VerdictClass.HARNESS


def goes_on(run_dir: Path) -> bool:
    """Whether pytest is still at work on this run."""
    return is_being_written(run_dir / JOURNAL_FILE)


def judge_directory(run_dir: Path) -> JudgedRun | None:
    """Judge a run from its files; ``None`` when they do not tell which tests ran."""
    planned = read_planned(run_dir / PLANNED_FILE)
    journal = run_dir / JOURNAL_FILE
    from_before_the_journal = bool(planned) and not any(test.stage for test in planned or ())
    if planned is None or (from_before_the_journal and not journal.exists()):
        return None
    return judge(planned, read_journal(journal))
