"""The report's first page: what it says, in which order, and where its links lead."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.qualification.history import append, past_run
from harness.qualification.saved import saved_run
from harness.qualification.written import decide
from reports.decision.page import SHOWN, with_decision
from reports.decision.past import past_of
from reports.decision.places import places
from reports.facts import facts_of
from reports.gate_tab import gate_rules
from tests.harness.pure.qualification.kit import (
    AGG,
    DISAGG,
    FACTS,
    TODAY,
    Run,
    T,
    ended,
    known_issue,
    measure,
)

MESSAGE = "StepEnded [INFRA]: rank 9 on node3: SIGKILL\ncause id: cause-1"
OTHER = T("tests/agg/test_shutdown.py::test_no_step_is_left", promise="No step is left.")


def page_of(
    run_dir: Path, *, issues: str = "", history: Path | None = None, allure: str = "<body><p></p>"
) -> str:
    """Return the page of a run, put into a page of Allure's."""
    known = run_dir / "known.yaml"
    known.write_text(issues, encoding="utf-8")
    decided = decide(saved_run(run_dir), known_issues=known, today=TODAY)
    past = past_of(decided.saved, history)
    return with_decision(allure, decided, about=facts_of(run_dir), past=past)


def part(page: str, section: str) -> str:
    """Return the words of a section by its id."""
    found = re.search(rf'<section id="{section}">(.*?)</section>', page, re.DOTALL)
    assert found is not None
    return words(found[1])


def words(text: str) -> str:
    shown = re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown)).split())


def test_it_begins_with_the_gate_s_answer_and_the_verdict(tmp_path: Path) -> None:
    run = Run([AGG], left_out=[DISAGG], verdict={"emulated": True}).write(tmp_path / "run")
    head = words(page_of(run).partition("<section")[0])

    assert head.startswith("release: refused, class INVALID")
    assert "PASS, emulated engine: not a release verdict: 1 passed, 0 failed" in head
    assert "run run-a, began 1970-01-01 00:16 UTC" in head


def test_the_rules_that_say_no_come_first_with_class_and_why(tmp_path: Path) -> None:
    run = Run([AGG, ended(DISAGG, "LEAK", "moe_1 is left")]).write(tmp_path / "run")
    gate = part(page_of(run), "gate")

    assert gate.startswith("May it be released? no no failure LEAK")
    assert gate.index("moe_1 is left") < gate.index("yes files of one run")


def test_what_did_not_run_is_counted_by_its_reason(tmp_path: Path) -> None:
    cause = "deployment agg is not there: cause-1: StepEnded [INFRA]: gone"
    many = [T(f"tests/agg/test_a.py::test_{n}", "not run", cause) for n in range(3)]
    run = Run([*many, ended(AGG, "skipped", "needs 8 nodes"), ended(DISAGG, "never ran")])
    gate = part(page_of(run.write(tmp_path / "run")), "gate")

    assert f"3 not run : {cause}" in gate
    assert "1 never ran : the run ended before them" in gate
    assert "1 skipped : needs 8 nodes" in gate


def test_what_was_tested_has_the_command_that_repeats_it(tmp_path: Path) -> None:
    facts = {**FACTS, "preflight_head": "10.0.0.1"}
    tested = part(page_of(Run(facts=facts).write(tmp_path / "run")), "tested")

    assert "image /images/one.sqsh" in tested
    assert "Pyxis unknown" in tested
    assert "command to repeat it pytest -m 'agg or disagg' --nodes 8" in tested
    assert tested.endswith("1 facts of the preflight preflight_head 10.0.0.1")


def test_one_cause_is_told_once_with_the_tests_it_broke(tmp_path: Path) -> None:
    run = Run([ended(AGG, "INFRA", MESSAGE), ended(OTHER, "INFRA", MESSAGE), DISAGG])
    page = page_of(run.write(tmp_path / "run"))
    failures = part(page, "failures")

    assert page.count("<article") == 1
    assert failures.count("INFRA StepEnded [INFRA]: rank 9 on node3: SIGKILL") == 1
    assert f"A chat is answered. agg, failed, {AGG.id}" in failures
    assert f"No step is left. agg, failed, {OTHER.id}" in failures
    assert "pytest -m 'agg or disagg' --nodes 8 -k " in failures


def test_what_is_left_is_seen_below_the_line_that_names_the_error(tmp_path: Path) -> None:
    message = "a.py:1: in check\nE ResidueError [LEAK]: 2 left:\nE   node1: moe_1\nE   node2: moe_2"
    page = page_of(Run([ended(AGG, "LEAK", message), DISAGG]).write(tmp_path / "run"))
    failures = words(page.partition('id="failures"')[2].partition("<details")[0])

    assert "LEAK ResidueError [LEAK]: 2 left: node1: moe_1 node2: moe_2" in failures
    assert "in check" not in failures


def test_a_long_reason_is_cut_where_many_are_listed(tmp_path: Path) -> None:
    run = Run([ended(AGG, "not run", "x" * 999), DISAGG]).write(tmp_path / "run")
    asides = part(page_of(run), "gate").partition("What did not run")[2]

    assert len(asides) < 250


def test_of_many_tests_with_one_cause_the_others_are_folded(tmp_path: Path) -> None:
    many = [T(f"tests/agg/test_a.py::test_{n}", "INFRA", MESSAGE) for n in range(SHOWN + 3)]
    page = page_of(Run([*many, DISAGG]).write(tmp_path / "run"))

    assert page.count("<summary>and 3 more</summary>") == 2  # of the rule's, and of the cause's
    assert all(f"agg, failed, {test.id}" in part(page, "failures") for test in many)


def test_the_gravest_class_comes_first_and_the_known_failure_last(tmp_path: Path) -> None:
    third = T("tests/agg/test_a.py::test_a", "INFRA", "node3 is gone")
    run = Run([ended(AGG, "FAIL", "it says nothing"), third, ended(OTHER, "LEAK", "left")])
    failures = part(page_of(run.write(tmp_path / "run"), issues=known_issue()), "failures")

    places_of = [failures.index(word) for word in ("LEAK left", "INFRA node3", "FAIL it says")]
    assert places_of == sorted(places_of)


def test_a_known_failure_has_its_link_owner_and_expiry(tmp_path: Path) -> None:
    run = Run([ended(AGG, "FAIL", "it says nothing"), DISAGG]).write(tmp_path / "run")
    page = page_of(run, issues=known_issue())

    assert '<a href="https://issues.example.org/1"' in page
    assert "known: https://issues.example.org/1 , the runtime team, until 2026-12-31" in part(
        page, "failures"
    )


def test_an_expired_known_issue_is_an_error(tmp_path: Path) -> None:
    run = Run([ended(AGG, "FAIL", "it says nothing"), DISAGG]).write(tmp_path / "run")
    page = page_of(run, issues=known_issue(expires="2026-11-01"))

    assert "no known issues CONFIG" in part(page, "gate")
    assert "expired on 2026-11-01, so it counts again" in part(page, "failures")
    assert "known: https" not in part(page, "failures")


def test_a_skip_that_is_known_and_a_stale_issue_are_told_besides(tmp_path: Path) -> None:
    run = Run([ended(AGG, "skipped", "it says nothing"), DISAGG]).write(tmp_path / "run")
    issues = known_issue() + known_issue(test="tests/agg/test_gone.py::test_x")
    failures = part(page_of(run, issues=issues), "failures")

    assert f"No test failed. Known issues besides {AGG.id}: skipped" in failures
    assert "stale: " in failures


def test_a_figure_over_its_limit_is_marked(tmp_path: Path) -> None:
    figures = [measure("window", 19.0, limit=15.0), measure("first answer", 0.1)]
    page = page_of(Run(measures=figures).write(tmp_path / "run"))

    assert '<tr class="bad"><td>agg</td><td>window</td>' in page
    assert "window 19 s (OVER its limit of 15 s)" in part(page, "figures")
    assert "1 figures of which nothing is promised agg first answer 0.1 s" in part(page, "figures")


def test_promises_are_counted_by_group_and_topology(tmp_path: Path) -> None:
    more = T("tests/agg/test_serving.py::TestForms::test_chat[b]", "FAIL", "x")
    run = Run([AGG, more, OTHER], left_out=[DISAGG]).write(tmp_path / "run")
    promises = part(page_of(run), "promises")

    assert promises.startswith(
        "Promises by topology group of promises agg disagg "
        "serving 1 failed, 1 passed 1 not selected shutdown 1"
    )


def test_it_says_what_regressed_since_the_last_good_run(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    append(history, past_run(saved_run(Run(at=10.0).write(tmp_path / "a"))))
    run = Run([ended(AGG, "FAIL", "no [DONE]"), DISAGG], run_id="run-b").write(tmp_path / "b")
    changed = part(page_of(run, history=history), "changed")

    assert "Since the last run regressed (1 regressed) , against run-a (PASS)" in changed
    assert f"regressed : {AGG.id} on agg: passed -> failed [FAIL]: no [DONE]" in changed


@pytest.mark.parametrize(("named", "said"), [(False, "no history was named"), (True, "No earlier")])
def test_without_an_earlier_run_it_says_so(tmp_path: Path, *, named: bool, said: str) -> None:
    history = tmp_path / "history.jsonl" if named else None

    assert said in part(page_of(Run().write(tmp_path / "run"), history=history), "changed")


def test_a_flaky_test_is_named(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    for number, end in enumerate(("passed", "FAIL", "passed")):
        run = Run([ended(AGG, end), DISAGG], run_id=f"run-{number}", at=10.0 + number)
        append(history, past_run(saved_run(run.write(tmp_path / f"{number}"))))
    page = page_of(Run(run_id="run-b").write(tmp_path / "b"), history=history)

    assert f"{AGG.id}: failed in 1 of 3 runs of abc1234" in part(page, "changed")


def test_a_history_that_cannot_be_read_is_said_and_hides_nothing(tmp_path: Path) -> None:
    page = page_of(Run().write(tmp_path / "run"), history=tmp_path)

    assert f"problem: {tmp_path}: " in part(page, "changed")


def test_a_message_cannot_break_the_page(tmp_path: Path) -> None:
    run = Run([ended(AGG, "FAIL", "a <script>alert(1)</script>"), DISAGG]).write(tmp_path / "run")

    assert "<script>alert" not in page_of(run)


def test_a_run_that_left_nothing_has_a_page(tmp_path: Path) -> None:
    page = page_of(Run(files=dict.fromkeys(("tests.json", "journal.jsonl"))).write(tmp_path / "r"))

    assert "It is not known which tests were planned." in part(page, "promises")
    assert "no files of one run INVALID" in part(page, "gate")


def test_a_link_leads_to_the_test_in_allure_s_page(tmp_path: Path) -> None:
    run = Run([ended(AGG, "FAIL", "x"), DISAGG]).write(tmp_path / "run")
    allure = f"<body>{stored('p1', AGG.id)}{stored('p2', DISAGG.id)}"

    assert f'<a href="#p1">{AGG.promise}</a>' in page_of(run, allure=allure)


def test_the_place_of_a_test_is_that_of_its_last_try() -> None:
    page = stored("p1", AGG.id, isRetry=True) + stored("p2", AGG.id) + stored("p3", "", labels=[])

    assert places(page) == {AGG.id: "p2"}


def test_the_tab_of_quality_gates_has_rules_and_limits(tmp_path: Path) -> None:
    figures = [measure("window", 19.0, limit=15.0), measure("first answer", 0.1)]
    run = Run([AGG, ended(DISAGG, "LEAK", "left")], measures=figures).write(tmp_path / "run")
    shown = {each["rule"]: each for each in gate_rules(decide(saved_run(run), today=TODAY))}

    assert shown["no failure [LEAK]"]["success"] is False
    assert shown["finished"]["success"] is True
    assert shown["agg: window"] == {
        "rule": "agg: window",
        "success": False,
        "message": "19 s (OVER its limit of 15 s)",
        "testResults": [],
    }
    assert "agg: first answer" not in shown


def stored(place: str, test: str, **more: object) -> str:
    """Return a result as a page of Allure's holds it."""
    labels: list[Mapping[str, str]] = [{"name": "dynamo_test", "value": test}]
    told = json.dumps({"labels": labels, **more}).encode()
    return f'd("data/test-results/{place}.json","{base64.b64encode(told).decode()}")'
