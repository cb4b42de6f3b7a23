"""verdict --release, compare, history and summary as commands; and bad input to each."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.journal import JOURNAL_FILE, Journal
from harness.qualification.schema import faults_of
from tests.harness.pure.qualification.kit import (
    AGG,
    DISAGG,
    FACTS,
    Run,
    T,
    ended,
    known_issue,
    write_result,
)

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Call a command; returns its exit code and all that it printed."""

    def called(*words: object) -> tuple[int, str]:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return called


def read(file: Path) -> dict[str, object]:
    told = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(told, dict)
    return told


def test_the_verdict_leaves_tables_matrix_and_gate_beside_it(say: Say, tmp_path: Path) -> None:
    run = Run([ended(AGG, "FAIL", "x"), DISAGG]).write(tmp_path / "run")
    code, _ = say("verdict", run)

    assert code == 1
    with (run / "results.csv").open(encoding="utf-8") as table:
        assert [row["outcome"] for row in csv.DictReader(table)] == ["failed", "passed"]
    assert read(run / "matrix.json")["topologies"] == ["agg", "disagg"]
    assert read(run / "gate.json")["release"] is False


def test_release_ends_with_one_line_and_the_class(say: Say, tmp_path: Path) -> None:
    run = Run().write(tmp_path / "run")

    assert say("verdict", run, "--release")[0] == 0
    code, text = say("verdict", Run(verdict={"emulated": True}).write(run), "--release")
    assert code == 14
    assert text.splitlines()[-1] == (
        "release: refused, class INVALID (1 of 9 rules say no: engine real)"
    )


def test_an_expired_known_issue_is_config(say: Say, tmp_path: Path) -> None:
    issues = tmp_path / "known.yaml"
    issues.write_text(
        "- test: x\n  topology: agg\n  message: y\n  link: https://a.b/c\n  owner: z\n"
        "  expires: 2020-01-31\n",
        encoding="utf-8",
    )
    run = Run().write(tmp_path / "run")
    code, text = say("verdict", run, "--release", "--known-issues", issues)

    assert code == 12
    assert f"{issues}:1: expired on 2020-01-31" in text


@pytest.mark.parametrize(
    ("words", "code"), [(["verdict"], 14), (["verdict", "--release"], 14), (["summary"], 0)]
)
def test_a_run_without_results_is_said_to_have_none(
    say: Say, tmp_path: Path, words: list[str], code: int
) -> None:
    (tmp_path / "settings.json").write_text("{}", encoding="utf-8")
    ended_with, text = say(*words, tmp_path)

    assert ended_with == code
    assert "no results" in text


def test_a_run_without_results_gets_a_verdict_that_can_be_read(say: Say, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}", encoding="utf-8")
    say("verdict", tmp_path)
    kept = read(tmp_path / "verdict.json")

    assert kept["verdict"] == "INVALID"
    assert faults_of(kept) == ()
    assert read(tmp_path / "gate.json")["class"] == "INVALID"


def test_a_damaged_verdict_is_kept_and_replaced(say: Say, tmp_path: Path) -> None:
    run = Run(files={"verdict.json": '{"run_id": "run-a", '}).write(tmp_path / "run")
    code, text = say("verdict", run)

    assert code == 14
    assert "problem: verdict.json is damaged" in text
    assert (run / "verdict.json.damaged").read_text(encoding="utf-8") == '{"run_id": "run-a", '
    assert faults_of(read(run / "verdict.json")) == ()


def test_results_of_another_run_are_refused_and_the_gate_written(say: Say, tmp_path: Path) -> None:
    run = Run(verdict={"run_id": "run-b"}).write(tmp_path / "run")
    code, text = say("verdict", run, "--release")

    assert code == 14
    assert "verdict.json is of run run-b, journal.jsonl of run run-a" in text
    assert read(run / "gate.json")["class"] == "INVALID"


@pytest.mark.parametrize(
    ("stranger", "first", "why"),
    [
        (
            T("tests/agg/test_other.py::test_x", topology="disagg-small"),
            "tests.agg.test_other#test_x",
            "not planned in tests.json",
        ),
        (
            T("tests/agg/test_other.py::TestY::test_x[a-b]", topology="ring"),
            "tests.agg.test_other.TestY#test_x[a-b]",
            "not planned in tests.json",
        ),
        (
            AGG,
            "tests.agg.test_serving.TestForms#test_chat[a-stream]",
            "begun after the run's end",
        ),
    ],
    ids=["another topology", "an unknown topology", "the same test of a later run"],
)
def test_results_of_another_run_in_allures_folder_are_refused(
    say: Say, tmp_path: Path, stranger: T, first: str, why: str
) -> None:
    run = Run().write(tmp_path / "run")
    write_result(run, AGG, at=1001.0)
    write_result(run, stranger, at=5000.0)
    code, text = say("verdict", run, "--release")

    told = f"allure-results has 1 results of {stranger.topology}, first {first}, {why}"
    assert code == 14
    assert f"no  files of one run: results of another run are mixed in: {told}" in text
    assert read(run / "gate.json")["class"] == "INVALID"


@pytest.mark.parametrize(
    "content",
    [
        '{"uuid": "1',
        "[]",
        '{"uuid": "u", "name": "n", "fullName": "f#n", "status": null}',
        '{"uuid": "u", "name": "n", "fullName": "f#n", "status": "passed", "start": "soon"}',
        '{"uuid": "u", "name": "n", "fullName": "f#n", "status": "passed", "labels": [7]}',
        '{"uuid": "u", "name": "n", "fullName": "f#n", "status": "passed", "labels": 7}',
    ],
)
def test_a_damaged_result_in_allures_folder_is_refused(
    say: Say, tmp_path: Path, content: str
) -> None:
    run = Run().write(tmp_path / "run")
    write_result(run, AGG, at=1001.0)
    (run / "allure-results" / "x-result.json").write_text(content, encoding="utf-8")
    code, text = say("verdict", run, "--release")

    assert code == 14
    assert "allure-results is damaged: 1 files hold no result, first x-result.json" in text
    assert read(run / "gate.json")["class"] == "INVALID"


def test_the_results_of_the_run_itself_are_no_strays(say: Say, tmp_path: Path) -> None:
    run = Run().write(tmp_path / "run")
    for test in (AGG, DISAGG):
        write_result(run, test, at=1001.0)

    assert say("verdict", run, "--release")[0] == 0


def test_tests_that_were_not_planned_are_of_another_run(say: Say, tmp_path: Path) -> None:
    run = Run().write(tmp_path / "run")
    (run / "tests.json").write_text(json.dumps([{"id": AGG.id, "stage": "x"}]), encoding="utf-8")
    text = say("verdict", run)[1]

    assert f"mixed in: journal.jsonl tells of {DISAGG.id}, not planned in tests.json" in text


def test_a_failure_that_one_file_alone_has_is_told(say: Say, tmp_path: Path) -> None:
    run = Run(verdict={"failures": {AGG.id: {"class": "FAIL", "message": "x"}}}).write(tmp_path)

    assert f"they differ in the failure of {AGG.id}" in say("verdict", run)[1]


def test_another_number_of_passed_tests_is_told(say: Say, tmp_path: Path) -> None:
    counts = dict.fromkeys(("failed", "not_run", "skipped", "interrupted", "never_ran"), 0)
    run = Run(verdict={"counts": {**counts, "passed": 5}}).write(tmp_path)

    assert "do not tell the same: 5 and 2 tests passed" in say("verdict", run)[1]


def test_an_unknown_topology_is_named_with_those_that_are_known(say: Say, tmp_path: Path) -> None:
    tests = [AGG, DISAGG, ended(AGG, "passed")]
    run = Run(tests).write(tmp_path)
    plan = (run / "tests.json").read_text(encoding="utf-8").replace('"disagg",', '"ring",', 1)
    (run / "tests.json").write_text(plan, encoding="utf-8")
    code, text = say("verdict", run, "--release")

    assert code == 14
    assert "unknown topology 'ring' of 1 tests in tests.json; known: attached, agg" in text


def test_a_folder_that_cannot_be_written_still_gets_its_verdict_said(
    say: Say, tmp_path: Path
) -> None:
    run = Run().write(tmp_path)
    (run / "gate.json").mkdir()
    code, text = say("verdict", run)

    assert code == 0
    assert "problem: nothing more was written beside the run" in text


def test_compare_says_what_regressed_and_gives_it_as_json(say: Say, tmp_path: Path) -> None:
    before = Run().write(tmp_path / "a")
    after = Run([AGG, ended(DISAGG, "LEAK", "left")], run_id="run-b").write(tmp_path / "b")
    code, text = say("compare", before, after)
    json_code, json_text = say("compare", "--json", before, after)
    told = json.loads(json_text)

    assert (code, json_code, say("compare", before, before)[0]) == (1, 1, 0)
    assert text.splitlines()[-1] == "regressed (1 regressed)"
    assert [each["test"] for each in told["tests"]["regressed"]] == [DISAGG.id]


@pytest.mark.parametrize("command", ["compare", "summary", "verdict", "history"])
def test_what_is_no_run_or_goes_on_is_refused(say: Say, tmp_path: Path, command: str) -> None:
    good = Run().write(tmp_path / "good")
    live = Run().write(tmp_path / "live")
    journal = Journal(live / JOURNAL_FILE, "run-a")
    (tmp_path / "empty").mkdir()
    others: dict[str, list[object]] = {
        "compare": [good],
        "history": ["add", "--history", tmp_path / "h.jsonl"],
    }
    ends = [
        say(command, *others.get(command, []), tmp_path / name)
        for name in ("empty", "gone", "live")
    ]
    journal.close()

    assert [code for code, _ in ends] == [2, 2, 2]
    assert [words in text for words, (_, text) in zip(
        ("no run directory", "no such run directory", "goes on"), ends, strict=True
    )] == [True, True, True]  # fmt: skip
    assert list((tmp_path / "empty").iterdir()) == []


def test_runs_that_cannot_be_compared_are_named(say: Say, tmp_path: Path) -> None:
    good = Run().write(tmp_path / "good")
    mixed = Run(verdict={"run_id": "run-x"}).write(tmp_path / "mixed")
    code, text = say("compare", good, mixed)

    assert code == 14
    assert f"{mixed}: no results of one run to compare" in text


def test_the_history_shows_runs_flakes_and_corrupt_lines(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    first = Run().write(tmp_path / "a")
    second = Run([AGG, ended(DISAGG, "FAIL", "x")], run_id="run-b", at=2000.0).write(tmp_path / "b")
    added = [say("history", "add", run, "--history", file) for run in (first, first, second)]
    with file.open("a", encoding="utf-8") as text:
        text.write("{torn\n")
    code, shown = say("history", "show", "--history", file)

    assert [words.rpartition(": ")[2].strip() for _, words in added] == [
        "run-a added",
        "run-a is there already",
        "run-b added",
    ]
    assert code == 0
    assert "run-b  FAIL" in shown
    assert f"1/2     abc1234  .F                 {DISAGG.id}" in shown
    assert f"problem: {file}:3: left out, it is no line of a history" in shown


def test_the_history_without_a_run_says_so(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "h"

    assert say("history", "show", "--history", file) == (0, f"{file}: no run yet\n")


def test_a_history_that_cannot_be_written_is_infra(say: Say, tmp_path: Path) -> None:
    run = Run().write(tmp_path / "a")
    code, text = say("history", "add", run, "--history", tmp_path)

    assert code == 13
    assert f"{tmp_path}: not written" in text


def test_a_history_that_cannot_be_read_is_infra(say: Say, tmp_path: Path) -> None:
    code, text = say("history", "show", "--history", tmp_path)

    assert code == 13
    assert f"{tmp_path}: not read: " in text


def test_the_summary_compares_with_the_last_run_of_the_history(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    other = Run([AGG], run_id="run-0", at=3000.0).write(tmp_path / "0")
    before = Run(at=2000.0).write(tmp_path / "a")
    after = Run(
        [AGG, ended(DISAGG, "FAIL", "x")], run_id="run-b", at=4000.0, facts={**FACTS, "image": "2"}
    ).write(tmp_path / "b")
    for run in (before, other, after):
        say("history", "add", run, "--history", file)
    page = tmp_path / "page.md"
    code, _ = say("summary", after, "--history", file, "--output", page)
    text = page.read_text(encoding="utf-8")

    assert code == 0
    assert "against `run-a`" in text
    assert "- image: /images/one.sqsh → 2" in text


def test_a_bad_run_is_compared_with_the_last_good_one_too(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    broken = [ended(AGG, "FAIL", "x"), DISAGG]
    for run_id, tests, at in (
        ("run-a", [AGG, DISAGG], 1000.0), ("run-b", broken, 2000.0), ("run-c", broken, 3000.0),
    ):  # fmt: skip
        run = Run(tests, run_id=run_id, at=at).write(tmp_path / run_id)
        say("history", "add", run, "--history", file)
        code, text = say("summary", run, "--history", file)

    last, good = text.partition("### Since the last good run")[::2]
    assert code == 0
    assert "**nothing regressed (1 still failing)**, against `run-b`" in last
    assert "**regressed (1 regressed)**, against `run-a`" in good


def test_after_a_good_run_there_is_one_comparison(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    for run_id, at in (("run-a", 1000.0), ("run-b", 2000.0), ("run-c", 3000.0)):
        run = Run(run_id=run_id, at=at).write(tmp_path / run_id)
        say("history", "add", run, "--history", file)
        _, text = say("summary", run, "--history", file)

    assert "**nothing regressed (no test changed)**, against `run-b`" in text
    assert "last good run" not in text


def test_a_history_whose_runs_are_gone_is_no_comparison(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    before = Run(at=1000.0).write(tmp_path / "a")
    say("history", "add", before, "--history", file)
    before.rename(tmp_path / "moved")
    after = Run(run_id="run-b", at=4000.0).write(tmp_path / "b")
    code, text = say("summary", after, "--history", file)

    assert code == 0
    assert "problem: run run-a of the history" in text
    assert "Since the last run" not in text


def test_a_history_that_cannot_be_read_does_not_keep_the_summary_back(
    say: Say, tmp_path: Path
) -> None:
    run = Run().write(tmp_path / "a")
    code, text = say("summary", run, "--history", tmp_path)

    assert code == 0
    assert f"problem: {tmp_path}: not read: " in text
    assert "## " in text


def test_a_known_failure_is_named_beside_the_verdict(say: Say, tmp_path: Path) -> None:
    issues = tmp_path / "known.yaml"
    issues.write_text(known_issue(expires="2999-12-31"), encoding="utf-8")
    run = Run([ended(AGG, "FAIL", "it says nothing"), DISAGG]).write(tmp_path / "run")
    code, text = say("verdict", run, "--known-issues", issues)

    assert code == 1
    assert text.splitlines()[0] == (
        f"known: {AGG.id}: https://issues.example.org/1 (the runtime team, until 2999-12-31)"
    )


def test_facts_of_another_engine_are_of_another_run(say: Say, tmp_path: Path) -> None:
    run = Run(verdict={"engine": "1.2.0"}).write(tmp_path / "run")

    assert "mixed in: engine 1.2.0 in verdict.json, 1.3.0 in facts.json" in say("verdict", run)[1]
