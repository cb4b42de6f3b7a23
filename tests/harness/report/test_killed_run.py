"""A real pytest with the suite's own plugins is ended in the middle: what its files still tell."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.__main__ import main
from harness.judge_run import TestState, judge_directory
from harness.planned import read_planned
from reports.missing import complete_results
from tests.harness.report.tiny_run import FOUR, ONE, THREE, TWO, TinyRun, run_tiny

PASSED, FAILED, INTERRUPTED, NEVER_RAN = (
    TestState.PASSED,
    TestState.FAILED,
    TestState.INTERRUPTED,
    TestState.NEVER_RAN,
)


def states(done: TinyRun) -> list[TestState]:
    judged = judge_directory(done.run_dir)
    assert judged is not None
    return [end.state for end in judged.ends]


def shown(done: TinyRun, room: Path) -> dict[str, tuple[str, str]]:
    """Status and message of each test in the results that are rendered."""
    room.mkdir()
    folder = complete_results(done.run_dir, room)
    results = [
        json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*-result.json")
    ]
    assert len({result["name"] for result in results}) == len(results)
    return {
        result["name"]: (result["status"], result.get("statusDetails", {}).get("message", ""))
        for result in results
    }


def test_the_plan_and_the_verdict_of_a_finished_run_are_there(tmp_path: Path) -> None:
    done = run_tiny(tmp_path / "tests", run_dir=tmp_path / "run")
    verdict = done.read("verdict.json")
    planned = read_planned(done.run_dir / "tests.json") or []

    assert done.exit_code == 1, done.output
    assert (verdict["finished"], verdict["interrupted"]) == (True, None)
    assert states(done) == [PASSED, FAILED, PASSED, PASSED]
    assert [(test.id, test.topology, test.stage, test.promise) for test in planned] == [
        (ONE, "agg", "register", "One is promised."),
        (TWO, "agg", "register", "Two is promised."),
        (THREE, "agg", "serve", "Three is promised."),
        (FOUR, "agg", "shutdown", "Four is promised, in two lines."),
    ]


@pytest.mark.parametrize(
    ("way", "place"),
    [("kill", "setup"), ("kill", "call"), ("kill", "teardown"), ("exit", "call")],
)
def test_the_test_that_ran_when_pytest_was_killed_is_not_green(
    tmp_path: Path, way: str, place: str
) -> None:
    done = run_tiny(tmp_path / "tests", way=way, place=place, run_dir=tmp_path / "run")

    assert done.exit_code == (-9 if way == "kill" else 0), done.output
    assert not (done.run_dir / "verdict.json").exists()
    assert states(done) == [PASSED, FAILED, INTERRUPTED, NEVER_RAN]
    assert shown(done, tmp_path / "room") == {
        "test_one": ("passed", ""),
        "test_two": ("failed", "AssertionError: assert 3 == 2\n +  where 3 = len('two')"),
        "test_three[3-c]": (
            "broken",
            "interrupted here: pytest ended while this test ran, after 0 s",
        ),
        "test_four": ("skipped", "never ran: the run ended before it"),
    }


def test_a_run_that_is_killed_between_two_tests_interrupts_none(tmp_path: Path) -> None:
    done = run_tiny(tmp_path / "tests", way="kill", place="between tests", run_dir=tmp_path / "run")

    assert states(done) == [PASSED, FAILED, NEVER_RAN, NEVER_RAN]
    assert [status for status, _ in shown(done, tmp_path / "room").values()].count("skipped") == 2


def test_the_verdict_comes_later_from_the_files_alone(tmp_path: Path) -> None:
    finished = run_tiny(tmp_path / "tests", run_dir=tmp_path / "finished").read("verdict.json")
    done = run_tiny(tmp_path / "tests", way="kill", place="call", run_dir=tmp_path / "run")

    assert main(["verdict", str(done.run_dir)]) == 1
    verdict = done.read("verdict.json")
    assert verdict["verdict"] == "FAIL"
    assert (verdict["finished"], verdict["interrupted"]) == (False, THREE)
    assert verdict["never_started"] == [FOUR]
    assert list(verdict) == list(finished)


def test_junit_of_a_killed_run_tells_of_the_same_tests_as_that_of_a_finished_one(
    tmp_path: Path,
) -> None:
    finished = run_tiny(tmp_path / "tests", run_dir=tmp_path / "finished")
    done = run_tiny(tmp_path / "tests", way="kill", place="call", run_dir=tmp_path / "run")

    assert not (done.run_dir / "junit.xml").exists()
    main(["verdict", str(done.run_dir)])
    assert [addressed for addressed, _ in in_junit(done)] == [
        addressed for addressed, _ in in_junit(finished)
    ]
    assert [None if child is None else child.tag for _, child in in_junit(done)] == [
        None,
        "failure",
        "error",
        "skipped",
    ]
    assert [child.attrib for _, child in in_junit(done) if child is not None] == [
        {"type": "FAIL", "message": "[FAIL] AssertionError: assert 3 == 2"},
        {
            "type": "INVALID",
            "message": "[INVALID] interrupted here: pytest ended while this test ran, after 0 s",
        },
        {"type": "pytest.skip", "message": "never ran: the run ended before it"},
    ]


def test_junit_of_an_earlier_run_in_the_directory_does_not_stay(tmp_path: Path) -> None:
    run_tiny(tmp_path / "tests", run_dir=tmp_path / "run")
    done = run_tiny(tmp_path / "tests", way="kill", place="call", run_dir=tmp_path / "run")

    assert not (done.run_dir / "junit.xml").exists()


def in_junit(done: TinyRun) -> list[tuple[tuple[str, str], ET.Element | None]]:
    """Classname and name of each test, and what is told of one that did not pass."""
    cases = ET.parse(done.run_dir / "junit.xml").iter("testcase")  # noqa: S314 - as below
    return [
        ((case.get("classname", ""), case.get("name", "")), next(iter(case), None))
        for case in cases
    ]


@pytest.mark.parametrize(
    ("way", "place", "code"),
    [
        ("interrupt", "setup", 2),
        ("interrupt", "between setup and call", 2),
        ("interrupt", "call", 2),
        ("interrupt", "teardown", 2),
        ("terminate", "call", 143),
    ],
)
def test_a_signal_makes_its_test_fail_and_ends_the_run_in_order(
    tmp_path: Path, way: str, place: str, code: int
) -> None:
    done = run_tiny(tmp_path / "tests", way=way, place=place, run_dir=tmp_path / "run")
    verdict, results = done.read("verdict.json"), done.results()

    assert done.exit_code == code, done.output
    assert states(done) == [PASSED, FAILED, INTERRUPTED, NEVER_RAN]
    assert (verdict["finished"], verdict["interrupted"]) == (False, THREE)
    assert (verdict["counts"]["interrupted"], verdict["counts"]["never_ran"]) == (1, 1)
    assert results["test_three[3-c]"]["status"] == "broken"
    assert "interrupted here: SIG" in results["test_three[3-c]"]["statusDetails"]["message"]
    assert green_in_junit(done.run_dir / "junit.xml") == {"test_one"}


def green_in_junit(file: Path) -> set[str | None]:
    cases = ET.parse(file).iter("testcase")  # noqa: S314 - pytest wrote it just now
    bad = {"failure", "error", "skipped"}
    return {case.get("name") for case in cases if not bad & {child.tag for child in case}}


def test_a_signal_between_two_tests_interrupts_none(tmp_path: Path) -> None:
    done = run_tiny(
        tmp_path / "tests", way="terminate", place="between tests", run_dir=tmp_path / "run"
    )
    verdict = done.read("verdict.json")

    assert done.exit_code == 143, done.output
    assert states(done) == [PASSED, FAILED, NEVER_RAN, NEVER_RAN]
    assert (verdict["finished"], verdict["interrupted"]) == (False, None)
    assert green_in_junit(done.run_dir / "junit.xml") == {"test_one"}


def test_a_killed_run_is_not_taken_for_the_one_before_in_its_directory(tmp_path: Path) -> None:
    run_tiny(tmp_path / "tests", run_dir=tmp_path / "run")
    (tmp_path / "run" / "journal.jsonl").rename(tmp_path / "earlier.jsonl")
    for file in (tmp_path / "run" / "allure-results").glob("*-result.json"):
        result = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**result, "start": 1000, "stop": 2000}), encoding="utf-8")
    done = run_tiny(tmp_path / "tests", way="kill", place="call", run_dir=tmp_path / "run")

    assert not (done.run_dir / "verdict.json").exists()
    assert [status for status, _ in shown(done, tmp_path / "room").values()].count("passed") == 1
