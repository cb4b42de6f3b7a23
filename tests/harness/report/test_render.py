"""Rendering for real, with the pinned renderer, and what is said when it cannot be."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.journal import JOURNAL_FILE, Journal, Outcome
from harness.qualification.history import append, past_run
from harness.qualification.saved import saved_run
from reports.cache import cache_folder
from reports.errors import ReportError
from reports.outside import outside_addresses
from reports.render import check_inside, render
from reports.toolchain import ensure_toolchain
from tests.harness.pure.qualification.kit import Run

ROOT = Path(__file__).resolve().parents[3]
RESULT = {
    "uuid": "6f1b0f6e-3d59-4d7c-9a53-0d6c5e3d3d10",
    "historyId": "h1",
    "name": "test_every_rank_reports_model_init",
    "fullName": "tests.agg.test_registration#test_every_rank_reports_model_init",
    "status": "passed",
    "stage": "finished",
    "start": 1_795_000_000_000,
    "stop": 1_795_000_001_000,
    "labels": [{"name": "suite", "value": "registration"}],
}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory with one passed test on an emulated engine."""
    results = tmp_path / "run" / "allure-results"
    results.mkdir(parents=True)
    (results / "a-result.json").write_text(json.dumps(RESULT), encoding="utf-8")
    counts = {"passed": 1, "failed": 0, "not_run": 0}
    verdict = {"verdict": "PASS", "counts": counts, "emulated": True, "engine": "e"}
    (results.parent / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    return results.parent


def reports(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reports", *map(str, words)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables},
        text=True,
        timeout=60,
    )


@pytest.mark.slow
def test_a_run_becomes_one_file_that_asks_nobody_outside(run_dir: Path) -> None:
    report = render(run_dir, say=print)

    text = report.read_text(encoding="utf-8")
    assert report == run_dir / "report.html"
    assert (
        "<title> PASS, emulated engine: not a release verdict: "
        "1 passed, 0 failed, 0 not run </title>"
    ) in text
    assert outside_addresses(text) == []
    assert "googletagmanager" not in text
    assert 'addEventListener("scroll", stay, true)' in text
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "allure-results",
        "report.html",
        "verdict.json",
    ]


@pytest.mark.slow
def test_two_hundred_tests_are_rendered_within_ten_seconds(run_dir: Path) -> None:
    """Every fifth one has failed, with 400 KB of evidence."""
    results = run_dir / "allure-results"
    for number in range(200):
        evidence = []
        if number % 5 == 0:
            evidence = [f"{number}-{log}-attachment.txt" for log in range(4)]
        for each in evidence:
            (results / each).write_text("0: a line of a log\n" * 5000, encoding="utf-8")
        named = [{"name": each, "source": each, "type": "text/plain"} for each in evidence]
        status = "broken" if evidence else "passed"
        told = {
            **RESULT, "uuid": f"6f1b0f6e-3d59-4d7c-9a53-{number:012d}", "historyId": f"h{number}",
            "name": f"test_{number}", "fullName": f"{RESULT['fullName']}_{number}",
            "status": status, "attachments": named,
        }  # fmt: skip
        (results / f"{number}-result.json").write_text(json.dumps(told), encoding="utf-8")
    began_s = time.monotonic()
    render(run_dir, say=print)

    assert time.monotonic() - began_s < 10


@pytest.fixture
def killed(run_dir: Path) -> Path:
    """The same run as it is when pytest was killed in its second test, with a third to come."""
    (run_dir / "verdict.json").unlink()
    test = "tests/agg/test_registration.py::test_every_rank_reports_model_init"
    plan = [
        {"id": each, "topology": "agg", "stage": "register"}
        for each in (test, f"{test}_again", f"{test}_for_ever")
    ]
    (run_dir / "tests.json").write_text(json.dumps(plan), encoding="utf-8")
    (run_dir / "facts.json").write_text('{"engine": "1.3.0rc22+emulated"}', encoding="utf-8")
    journal = Journal(run_dir / JOURNAL_FILE, "run-1")
    journal.start(test)
    for phase in ("setup", "call", "teardown"):
        journal.outcome(test, phase, Outcome.PASSED)
    journal.start(f"{test}_again")
    journal.close()
    file = run_dir / "allure-results" / "a-result.json"
    result = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**result, "stop": 10**14}), encoding="utf-8")
    return run_dir


def data_of(page: str) -> dict[str, Any]:
    """Return the JSON data that a page carries, by their names."""
    found = re.findall(r'd\("([^"]+\.json)","([A-Za-z0-9+/=]*)"\)', page)
    return {name: json.loads(base64.b64decode(text)) for name, text in found}


@pytest.mark.slow
def test_the_report_of_a_killed_run_tells_what_became_of_each_test(killed: Path) -> None:
    before = {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()}
    page = render(killed, say=print).read_text(encoding="utf-8")
    data = data_of(page)

    counts = "1 passed, 0 failed, 1 interrupted, 1 never ran"
    told = f"not a release verdict: ended before its end ({counts})"
    assert f"<title> INVALID, emulated engine: {told} </title>" in page
    assert data["widgets/statistic.json"] == {"total": 3, "passed": 1, "broken": 1, "skipped": 1}
    results = [data[name] for name in data if name.startswith("data/test-results/")]
    assert {
        result["name"].rpartition("_")[2]: (
            result["status"],
            (result.get("error") or {}).get("message"),
            [category["name"].partition(":")[0] for category in result.get("categories", [])],
        )
        for result in results
    } == {
        "init": ("passed", None, []),
        "again": (
            "broken",
            "interrupted here: pytest ended while this test ran, after 0 s",
            ["interrupted"],
        ),
        "ever": ("skipped", "never ran: the run ended before it", ["never ran"]),
    }
    after = {path: path.read_bytes() for path in killed.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} == {"report.html"}
    assert after.items() >= before.items()


@pytest.mark.slow
def test_a_run_that_was_killed_in_its_first_test_has_a_report(killed: Path) -> None:
    (killed / "allure-results" / "a-result.json").unlink()
    (killed / "allure-results").rmdir()
    (killed / JOURNAL_FILE).unlink()

    page = render(killed, say=print).read_text(encoding="utf-8")
    assert data_of(page)["widgets/statistic.json"] == {"total": 3, "skipped": 3}


@pytest.mark.slow
def test_a_run_is_rendered_when_named_from_where_one_stands(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_dir.parent)
    Path("latest").symlink_to(run_dir.name)

    assert render(Path("latest"), say=print) == run_dir / "report.html"


@pytest.mark.slow
def test_a_report_is_replaced_only_by_a_whole_one(run_dir: Path) -> None:
    (run_dir / "report.html").write_text("the older report", encoding="utf-8")
    broken = run_dir / "allure-results" / "a-result.json"
    broken.unlink()

    with pytest.raises(ReportError):
        render(run_dir, say=print)

    assert (run_dir / "report.html").read_text(encoding="utf-8") == "the older report"


def test_a_page_that_would_ask_outside_is_refused() -> None:
    with pytest.raises(ReportError, match=r"closed to the outside: <img src> https://example\.com"):
        check_inside('<head></head><img src="https://example.com/a.png">')


def test_a_page_without_its_policy_is_refused() -> None:
    with pytest.raises(ReportError, match="content security policy is missing"):
        check_inside("<head></head>")


def test_a_run_without_results_is_told_in_words(run_dir: Path) -> None:
    (run_dir / "allure-results" / "a-result.json").unlink()
    done = reports(run_dir)

    assert done.returncode == 1
    assert f"not rendered: {run_dir}/allure-results holds no test result" in done.stderr
    assert f"kept in {run_dir}: verdict.json, allure-results" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    done = reports(tmp_path / "nope")

    assert done.returncode == 1
    assert f"no run directory {tmp_path}/nope" in done.stderr


def test_without_node_the_results_remain_and_the_way_out_is_named(
    run_dir: Path, tmp_path: Path
) -> None:
    nowhere = {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = reports(run_dir, PATH="/nonexistent", **nowhere)

    assert done.returncode == 1
    assert "not rendered: Node could not be fetched" in done.stderr
    assert "hint: put Node 22 or newer on PATH" in done.stderr
    assert f"kept in {run_dir}: verdict.json, allure-results" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (run_dir / "report.html").exists()


@pytest.mark.slow
def test_the_history_beside_the_run_directory_is_compared_with(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    append(history, past_run(saved_run(Run(at=10.0).write(tmp_path / "a"))))
    (tmp_path / "trends").mkdir()
    run_dir = Run(run_id="run-b", at=1_795_000_000.0).write(tmp_path / "b")
    kept = ("HOME", "PATH", "XDG_CACHE_HOME")
    done = reports(run_dir, **{name: os.environ[name] for name in kept if name in os.environ})

    assert done.returncode == 0, done.stderr
    assert "against run-a (PASS)" in (run_dir / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "trends" / "history.jsonl").is_file()


def test_a_node_that_is_too_old_is_named_with_its_version(run_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    for program in ("node", "npm"):
        (folder / program).write_text("#!/bin/sh\necho v18.20.4\n", encoding="utf-8")
        (folder / program).chmod(0o755)
    nowhere = {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = reports(run_dir, PATH=f"{folder}:/usr/bin:/bin", **nowhere)

    assert done.returncode == 1
    assert "Node v18.20.4 here is too old (want 22 or newer); fetching " in done.stdout
    assert "not rendered: Node could not be fetched" in done.stderr
    assert "hint: put Node 22 or newer on PATH" in done.stderr


@pytest.mark.slow
def test_a_renderer_that_cannot_be_fetched_is_told_with_the_way_out(
    run_dir: Path, tmp_path: Path
) -> None:
    """Node lies in the cache, Allure does not, and nothing outside answers."""
    ensure_toolchain(print)
    cache = tmp_path / "cache" / cache_folder().name
    cache.mkdir(parents=True)
    (cache / "tools").symlink_to(cache_folder() / "tools")
    nobody = {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}
    path = f"{ensure_toolchain(print).node.program.parent}:/usr/bin:/bin"
    done = reports(run_dir, PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache"), **nobody)

    assert done.returncode == 1
    assert "not rendered: the report renderer could not be installed" in done.stderr
    assert "hint: let npm reach its registry (npm config)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_results_of_another_run_and_damaged_ones_are_said_and_left_out(run_dir: Path) -> None:
    results = run_dir / "allure-results"
    mine = {"id": "tests/agg/test_registration.py::test_every_rank_reports_model_init"}
    (run_dir / "tests.json").write_text(json.dumps([mine]), encoding="utf-8")
    stranger = {**RESULT, "uuid": "u2", "fullName": "tests.agg.test_x#test_x", "name": "test_x"}
    (results / "b-result.json").write_text(json.dumps(stranger), encoding="utf-8")
    torn = {**RESULT, "uuid": "u3", "labels": [7]}
    (results / "c-result.json").write_text(json.dumps(torn), encoding="utf-8")
    done = reports(run_dir, **{name: os.environ[name] for name in ("PATH", "HOME")})

    assert done.returncode == 0, done.stderr
    assert "left out: allure-results is damaged: 1 files hold no result, first c-" in done.stdout
    assert "left out: allure-results has 1 results, first tests.agg.test_x#test_x, not" in (
        done.stdout
    )
    data = data_of((run_dir / "report.html").read_text(encoding="utf-8"))
    assert data["widgets/statistic.json"] == {"total": 1, "passed": 1}


def test_no_directory_named_is_a_question_not_a_traceback() -> None:
    done = reports()

    assert done.returncode == 2
    assert "which run? name its directory, as runs/latest" in done.stderr
