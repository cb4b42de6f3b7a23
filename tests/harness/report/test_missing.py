"""Results that Allure could not write: where they sit, what they say, what they leave alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from harness.journal import JOURNAL_FILE, Journal, Outcome
from harness.planned import PlannedTest, read_planned
from harness.strays import strays_in
from reports.identity import identity, key_of
from reports.missing import complete_results, missing_results
from tests.harness.report.tiny_run import run_tiny

PLAN = [
    PlannedTest(f"tests/agg/test_a.py::TestA::test_{name}", topology="agg", stage="serve")
    for name in ("one", "two", "three", "four")
]
ONE, TWO, THREE, FOUR = (test.id for test in PLAN)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory with a plan, and a result of its first test."""
    run_dir = tmp_path / "run"
    results = run_dir / "allure-results"
    results.mkdir(parents=True)
    plan = json.dumps([asdict(test) for test in PLAN])
    (run_dir / "tests.json").write_text(plan, encoding="utf-8")
    write_result(run_dir, PLAN[0], "passed")
    (results / "x-attachment.txt").write_text("a log", encoding="utf-8")
    (results / "y-result.json.tmp").write_text("{", encoding="utf-8")
    return run_dir


@pytest.fixture
def journal(run_dir: Path) -> Journal:
    """The journal of the run, in which the first test has passed; close it before looking."""
    journal = Journal(run_dir / JOURNAL_FILE, "run-1")
    note(journal, ONE, Outcome.PASSED)
    return journal


def write_result(run_dir: Path, test: PlannedTest, status: str, *, stop: int = 10**14) -> None:
    host = [{"name": "host", "value": "node1"}, {"name": "thread", "value": "7-Main"}]
    result = {**identity(test), "status": status, "stop": stop, "labels": host}
    result["uuid"] = f"{status}-{result['name']}"
    name = f"{status}-{result['name']}-result.json"
    (run_dir / "allure-results" / name).write_text(json.dumps(result), encoding="utf-8")


def note(journal: Journal, test: str, outcome: Outcome, **told: Any) -> None:
    journal.start(test)
    journal.outcome(test, "call", outcome, **told)
    journal.outcome(test, "teardown", Outcome.PASSED)


def made(run_dir: Path) -> dict[str, Mapping[str, Any]]:
    return {str(result["name"]): result for result in missing_results(run_dir).results}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_made_result_has_the_names_that_allure_pytest_gives(tmp_path: Path) -> None:
    done = run_tiny(tmp_path / "tests", run_dir=tmp_path / "run")
    planned = read_planned(done.run_dir / "tests.json") or []
    real = done.results()

    assert len(planned) == len(real) == 4
    for test in planned:
        ours = identity(test)
        theirs = real[ours["name"]]
        theirs["description"] = " ".join(theirs["description"].split())
        labels = {(label["name"], label["value"]) for label in theirs["labels"]}
        added = labels - {(label["name"], label["value"]) for label in ours["labels"]}
        assert {name for name, _ in added} == {"host", "thread", "language"}
        assert {each: ours[each] for each in ours if each != "labels"} == {
            "parameters": [],
            **{each: theirs[each] for each in ours if each in theirs and each != "labels"},
        }


def test_a_finished_run_is_rendered_from_its_own_results(run_dir: Path, journal: Journal) -> None:
    for test in PLAN[1:]:
        note(journal, test.id, Outcome.PASSED)
        write_result(run_dir, test, "passed")
    journal.close()

    assert not missing_results(run_dir)
    before = contents(run_dir)
    copy = complete_results(run_dir, run_dir.parent / "room")

    assert contents(run_dir) == before
    assert {file.name for file in copy.glob("*-result.json")} == {
        file.name for file in (run_dir / "allure-results").glob("*-result.json")
    }


def test_every_state_is_told_and_in_its_place(run_dir: Path, journal: Journal) -> None:
    note(journal, TWO, Outcome.FAILED, verdict_class="INFRA", message="NodeGone [INFRA]: node3")
    journal.start(THREE)
    journal.close()
    results = made(run_dir)

    assert [
        (result["status"], result["statusDetails"]["message"]) for result in results.values()
    ] == [
        ("broken", "NodeGone [INFRA]: node3"),
        ("broken", "interrupted here: pytest ended while this test ran, after 0 s"),
        ("skipped", "never ran: the run ended before it"),
    ]
    labels = {label["name"]: label["value"] for label in results["test_four"]["labels"]}
    assert (labels["parentSuite"], labels["suite"], labels["host"]) == ("agg", "serve", "node1")
    assert "thread" not in labels


@pytest.mark.parametrize(
    ("outcome", "told", "status", "message"),
    [
        (Outcome.PASSED, {}, "passed", "recorded in journal.jsonl"),
        (Outcome.FAILED, {"verdict_class": "FAIL", "message": "no"}, "failed", "no"),
        (Outcome.NOT_RUN, {"message": "agg is not there"}, "skipped", "not run: agg is not there"),
        (Outcome.SKIPPED, {"message": "needs 8 nodes"}, "skipped", "needs 8 nodes"),
    ],
)
def test_an_outcome_whose_result_was_not_written_any_more_is_told_by_the_journal(
    run_dir: Path,
    journal: Journal,
    outcome: Outcome,
    told: dict[str, str],
    status: str,
    message: str,
) -> None:
    note(journal, TWO, outcome, **told)
    journal.close()
    result = made(run_dir)["test_two"]

    assert result["status"] == status
    assert result["statusDetails"]["message"].startswith(message)


def test_a_result_that_is_green_by_its_setup_alone_is_replaced(
    run_dir: Path, journal: Journal
) -> None:
    journal.start(TWO)
    write_result(run_dir, PLAN[1], "passed")
    journal.close()

    assert missing_results(run_dir).wrong == ("passed-test_two-result.json",)
    assert made(run_dir)["test_two"]["status"] == "broken"


def test_a_result_of_an_earlier_run_in_the_same_directory_counts_for_nothing(
    run_dir: Path, journal: Journal
) -> None:
    write_result(run_dir, PLAN[3], "passed", stop=1000)
    journal.close()

    assert made(run_dir)["test_four"]["status"] == "skipped"


def test_the_evidence_of_the_run_is_copied_and_not_touched(
    run_dir: Path, journal: Journal, tmp_path: Path
) -> None:
    journal.start(TWO)
    journal.close()
    before = contents(run_dir)
    copy = complete_results(run_dir, tmp_path)

    assert contents(run_dir) == before
    assert copy == tmp_path / "allure-results"
    assert len(list(copy.glob("*-result.json"))) == 4
    assert (copy / "x-attachment.txt").read_text(encoding="utf-8") == "a log"
    assert not list(copy.glob("*.tmp"))


def test_the_same_results_are_made_each_time(run_dir: Path, journal: Journal) -> None:
    journal.close()

    assert made(run_dir) == made(run_dir)
    assert len({key_of(result) for result in made(run_dir).values()}) == 3


def test_of_a_run_that_goes_on_nothing_is_made_up(run_dir: Path, journal: Journal) -> None:
    journal.start(TWO)

    assert not missing_results(run_dir)
    journal.close()


def test_of_a_run_of_before_the_journal_nothing_is_made_up(run_dir: Path) -> None:
    ids = json.dumps([test.id for test in PLAN])
    (run_dir / "tests.json").write_text(ids, encoding="utf-8")

    assert not missing_results(run_dir)


def test_a_run_directory_that_is_given_again_keeps_no_result_of_before(tmp_path: Path) -> None:
    for selection in ("one or two", "three"):
        done = run_tiny(tmp_path / "tests", "-k", selection, run_dir=tmp_path / "run")

    assert set(done.results()) == {"test_three[3-c]"}
    assert not strays_in(done.run_dir).files
