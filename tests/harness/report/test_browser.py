"""The report in a real browser, from a file, with the network cut.

The pictures of what was seen are kept in ``runs/screenshots``.
"""

from __future__ import annotations

import html
import json
import re
import uuid
from pathlib import Path

import pytest

from harness.planned import read_planned
from harness.qualification.history import append, past_run
from harness.qualification.saved import saved_run
from reports.decision.places import places
from reports.identity import identity
from reports.render import render
from tests.harness.pure.qualification.kit import AGG, DISAGG, FACTS, Run, ended, known_issue
from tests.harness.report.browser import keep_screenshot, opened

pytestmark = pytest.mark.slow

MESSAGE = "StepEnded [INFRA]: rank 9 on node3: SIGKILL\nthis is not a crash\ncause id: cause-1"
EMULATED = {**FACTS, "engine": "1.3.0rc22+emulated", "gpus": "16 x NVIDIA GB200 (emulated)"}
DAY_S = 86_400.0
START_S = 1_795_000_000.0
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with a failed test, one that passed, and the plot of a deployment."""
    tests = [ended(AGG, "INFRA", MESSAGE), DISAGG]
    run_dir = Run(tests, at=START_S, facts=EMULATED, verdict={"emulated": True}).write(
        tmp_path_factory.mktemp("run")
    )
    (run_dir / "load").mkdir()
    worker = {"worker": "agg-0", "seconds": {"0": 1.5, "1": 2.5}, "missing": []}
    (run_dir / "load" / "agg.json").write_text(json.dumps([worker]), encoding="utf-8")
    write_result(run_dir, statusDetails={"message": MESSAGE, "trace": "t"})
    return render(run_dir, say=print)


def write_result(run_dir: Path, **more: object) -> None:
    """Write the result of the test that failed, as allure-pytest does."""
    planned = next(test for test in read_planned(run_dir / "tests.json") or () if test.id == AGG.id)
    times = {"start": 1000 * START_S + 1000, "stop": 1000 * START_S + 1500}
    result = {**identity(planned), "uuid": str(uuid.UUID(int=1)), "status": "broken", **times}
    (run_dir / "allure-results").mkdir()
    file = run_dir / "allure-results" / "1-result.json"
    file.write_text(json.dumps({**result, **more}), encoding="utf-8")


def place_of(page: Path, test: str) -> str:
    """Return the part of the address that leads to a test."""
    return f"#{places(page.read_text(encoding='utf-8'))[test]}"


def words_of(document: str, *, within: str = "body") -> str:
    """Return what a document says within an element, blanks made one."""
    body = document[document.rindex(f"<{within}") :]
    shown = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", body, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown)).split())


def decision_is_seen(document: str) -> bool:
    """Whether the decision, and not Allure's page beneath it, is at the middle of the screen."""
    [decision] = re.findall(r'<main id="decision"[^>]*>', document)
    return "data-seen" in decision


def test_the_first_screen_says_verdict_counts_rules_and_what_was_tested(
    page: Path, tmp_path: Path
) -> None:
    document = opened(page, tmp_path)
    words = words_of(document)

    assert decision_is_seen(document)
    assert "INFRA, emulated engine: not a release verdict: 1 passed, 1 failed, 0 not run" in words
    assert "no engine real INVALID emulated: 1.3.0rc22+emulated" in words
    assert "suite commit abc1234" in words


def test_the_decision_goes_aside_for_the_tests_and_comes_back(page: Path, tmp_path: Path) -> None:
    tests = opened(page, tmp_path, clicks=["Tests and evidence"])
    again = opened(page, tmp_path, clicks=["Tests and evidence", "Decision"])

    assert not decision_is_seen(tests)
    assert "A chat is answered [a-stream]" in words_of(tests, within='div id="app"')
    assert decision_is_seen(again)


def test_a_click_on_a_failure_leads_to_its_diagnosis_and_class(page: Path, tmp_path: Path) -> None:
    document = opened(page, tmp_path, clicks=[AGG.promise])
    words = words_of(document, within='div id="app"')

    assert not decision_is_seen(document)
    assert " ".join(MESSAGE.split()) in words
    assert "Category: INFRA: a node, the fabric, the file system or Slurm failed" in words
    assert "A chat is answered [a-stream]" in words


def test_an_address_with_a_test_in_it_opens_that_test(page: Path, tmp_path: Path) -> None:
    document = opened(page, tmp_path, place=place_of(page, AGG.id))

    assert not decision_is_seen(document)
    assert " ".join(MESSAGE.split()) in words_of(document, within='div id="app"')


def test_a_plot_is_seen_when_it_is_clicked_on(page: Path, tmp_path: Path) -> None:
    document = opened(page, tmp_path, place=place_of(page, AGG.id), clicks=["load time by rank"])
    [picture] = re.findall(r'<img src="blob:[^>]*>', document)
    width = re.search(r'data-width="(\d+)"', picture)

    assert width is not None
    assert int(width[1]) > 100


def test_the_rules_of_the_gate_are_in_the_tab_of_quality_gates(page: Path, tmp_path: Path) -> None:
    document = opened(page, tmp_path, clicks=["Tests and evidence", "Quality Gates"])
    words = words_of(document, within='div id="app"')

    assert "engine real [INVALID]" in words
    assert "emulated: 1.3.0rc22+emulated" in words


def test_a_killed_run_s_report_says_where_it_was_interrupted(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    Run([AGG, ended(DISAGG, "never ran")], facts=EMULATED, files={"verdict.json": None}).write(
        run_dir
    )
    journal = (run_dir / "journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run_dir / "journal.jsonl").write_text("".join(journal[:2]), encoding="utf-8")  # in the first
    page = render(run_dir, say=print)
    document = opened(page, tmp_path)

    assert keep_screenshot(page, tmp_path, name="killed").read_bytes().startswith(PNG)
    assert decision_is_seen(document)
    words = words_of(document)
    assert "INVALID, emulated engine: not a release verdict: ended before its end" in words
    assert f"interrupted in {AGG.id}" in words
    assert "1 never ran" in words


def test_the_third_of_three_nights_names_what_regressed(tmp_path: Path) -> None:
    """And says that its known failure is known, with link, owner and expiry."""
    history, trends, issues = (
        tmp_path / name for name in ("history.jsonl", "trends", "known.yaml")
    )
    issues.write_text(
        known_issue(test=DISAGG.id, topology="disagg", expires="2999-12-31"), encoding="utf-8"
    )
    known = ended(DISAGG, "FAIL", "it says nothing")
    nights = ([AGG, DISAGG], [AGG, DISAGG], [ended(AGG, "FAIL", "no [DONE]"), known])
    for number, tests in enumerate(nights):
        run = Run(tests, run_id=f"night-{number}", at=START_S + number * DAY_S, facts=EMULATED)
        run_dir = run.write(tmp_path / f"night-{number}")
        page = render(run_dir, print, trends=trends, history=history, known_issues=issues)
        append(history, past_run(saved_run(run_dir)))
    document = opened(page, tmp_path)
    words = words_of(document)

    assert "Since the last run regressed (2 regressed) , against night-1 (PASS)" in words
    assert f"regressed : {AGG.id} on agg: passed -> failed [FAIL]: no [DONE]" in words
    assert "known: https://issues.example.org/1 , the runtime team, until 2999-12-31" in words
    shown = opened(page, tmp_path, place=place_of(page, AGG.id), clicks=["History"])
    assert re.search(r"History 2\b", words_of(shown, within='div id="app"'))
    linked = opened(page, tmp_path, place=place_of(page, DISAGG.id))
    assert 'href="https://issues.example.org/1"' in linked[linked.rindex('<div id="app"') :]
    assert "known issue: the runtime team, until 2999-12-31" in words_of(
        linked, within='div id="app"'
    )
    for dark in (False, True):
        picture = keep_screenshot(page, tmp_path, name=f"regressed{'-dark' * dark}", dark=dark)
        assert picture.read_bytes().startswith(PNG)


def test_a_page_that_asks_outside_is_found_out(tmp_path: Path) -> None:
    """The other tests would not notice if the browser did not tell."""
    asking = tmp_path / "asking.html"
    asking.write_text('<html><head></head><body><img src="http://x.invalid/a.png"></body></html>')

    with pytest.raises(pytest.fail.Exception, match=r"http://x\.invalid/a\.png"):
        opened(asking, tmp_path)
