"""What is wrong with the files of a run: damaged, of another run, not as one says of the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.judge_run import JudgedRun
from harness.planned import PLANNED_FILE, read_planned
from harness.qualification.schema import faults_of
from harness.strays import strays_in
from harness.topology_names import TOPOLOGY_NAMES
from harness.verdict_file import FACTS_FILE, VERDICT_FILE, counts_of

MIXED = "results of another run are mixed in"


def problems_of(
    run_dir: Path, verdict: Mapping[str, Any], judged: JudgedRun, *, facts: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return all problems of a run's files, a line each."""
    planned = {test.id for test in read_planned(run_dir / PLANNED_FILE) or ()}
    return (
        *faults_of(verdict),
        *_of_two_runs(str(verdict.get("run_id") or ""), judged.run_id),
        *_of_two_engines(str(verdict.get("engine") or ""), str(facts.get("engine") or "")),
        *_not_planned(planned, verdict, judged),
        *(_at_odds(verdict, judged) if judged.ends else ()),
        *_unknown_topologies(judged),
        *_of_another_run(run_dir),
    )


def _of_two_runs(verdict: str, journal: str) -> Iterator[str]:
    """Compare the run ids of the two files, where both are known."""
    if verdict and journal and verdict != journal:
        yield f"{MIXED}: {VERDICT_FILE} is of run {verdict}, journal.jsonl of run {journal}"


def _of_two_engines(verdict: str, facts: str) -> Iterator[str]:
    """Compare what the engine called itself; both files take it from the same run."""
    if verdict and facts and verdict != facts:
        yield f"{MIXED}: engine {verdict} in {VERDICT_FILE}, {facts} in {FACTS_FILE}"


def _not_planned(planned: set[str], verdict: Mapping[str, Any], judged: JudgedRun) -> Iterator[str]:
    if not planned:
        return
    told = {"journal.jsonl": [end.planned.id for end in judged.ends]}
    told[VERDICT_FILE] = [
        test
        for member in ("failures", "not_run", "skipped", "never_started")
        for test in verdict.get(member) or ()
    ]
    for name, tests in told.items():
        strange = [test for test in tests if test not in planned]
        if strange:
            yield f"{MIXED}: {name} tells of {_some(strange)}, not planned in {PLANNED_FILE}"


def _at_odds(verdict: Mapping[str, Any], judged: JudgedRun) -> Iterator[str]:
    """Compare a verdict with the journal; of a run that was cut short pytest knows less."""
    failures = verdict.get("failures")
    told = set(failures) if isinstance(failures, dict) else set()
    seen = {end.planned.id for end in judged.failures}
    if verdict.get("finished") is True and told != seen:
        yield (
            f"{VERDICT_FILE} and journal.jsonl do not tell the same: they differ in the failure of "
            f"{_some(sorted(told ^ seen))}"
        )
    counts = counts_of(verdict)
    if verdict.get("finished") is True and counts.passed != judged.counts.passed:
        yield (
            f"{VERDICT_FILE} and journal.jsonl do not tell the same: {counts.passed} and "
            f"{judged.counts.passed} tests passed"
        )


def _unknown_topologies(judged: JudgedRun) -> Iterator[str]:
    names = [end.planned.topology for end in judged.ends]
    for name in sorted(set(names) - {"", *TOPOLOGY_NAMES}):
        yield (
            f"unknown topology {name!r} of {names.count(name)} tests in {PLANNED_FILE}; known: "
            f"{', '.join(TOPOLOGY_NAMES)}"
        )


def _of_another_run(run_dir: Path) -> Iterator[str]:
    """Tell of results in ``allure-results`` that are not the run's, or damaged."""
    strays = strays_in(run_dir)
    yield from strays.damaged_words
    yield from (f"{MIXED}: {told}" for told in strays.foreign_words)


def _some(tests: Iterable[str]) -> str:
    """Return the first of some tests, and how many there are."""
    listed = list(tests)
    return f"{len(listed)} tests, first {listed[0]}" if len(listed) > 1 else listed[0]
