"""The report in a real browser, from a file, with the network cut."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path

import pytest

from reports.render import render
from tests.harness.report.browser import opened

MESSAGE = "StepEnded [INFRA]: rank 9 on node3: SIGKILL\nthis is not a crash\ncause id: cause-1"
START = 1_795_000_000_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with a failed test, one that passed, and the plot of a deployment."""
    run_dir = tmp_path_factory.mktemp("run")
    for folder in ("allure-results", "load"):
        (run_dir / folder).mkdir()
    write_result(run_dir, 1, status="broken", statusDetails={"message": MESSAGE, "trace": "t"})
    write_result(run_dir, 2, status="passed")
    worker = {"worker": "agg-0", "seconds": {"0": 1.5, "1": 2.5}, "missing": []}
    (run_dir / "load" / "agg.json").write_text(json.dumps([worker]), encoding="utf-8")
    rule = {"name": "engine real", "holds": False, "class": "INVALID", "why": ["emulated: 1.3"]}
    gate = {"class": "INVALID", "line": "refused by: engine real", "rules": [rule]}
    (run_dir / "gate.json").write_text(json.dumps(gate), encoding="utf-8")
    counts = {"passed": 1, "failed": 1, "not_run": 3}
    verdict = {
        "run_id": "r", "verdict": "INFRA", "counts": counts, "emulated": True, "engine": "1.3",
        "not_run": dict.fromkeys("abc", "deployment agg is not there: cause-1"),
    }  # fmt: skip
    (run_dir / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    facts = {"suite_commit": "abc1234", "command": "pytest -m agg --nodes 4", "cluster": "alps"}
    (run_dir / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return render(run_dir, say=print)


def write_result(run_dir: Path, number: int, **more: object) -> None:
    labels = {"dynamo_topology": "agg", "dynamo_stage": "serve"}
    result = {
        "uuid": f"6f1b0f6e-3d59-4d7c-9a53-0d6c5e3d3d1{number}",
        "historyId": f"h{number}",
        "name": f"test_{number}",
        "fullName": f"tests.agg.test_streaming.TestStreaming#test_{number}",
        "description": f"Stream {number} is whole.",
        "start": START + number,
        "stop": START + number + 1,
        "labels": [{"name": name, "value": value} for name, value in labels.items()],
        **more,
    }
    file = run_dir / "allure-results" / f"{number}-result.json"
    file.write_text(json.dumps(result), encoding="utf-8")


def words_of(document: str) -> str:
    """Return what a reader sees of a document, blanks made one."""
    body = document[document.index("<body") :]
    shown = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", body, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown)).split())


def place_of(page: Path, name: str) -> str:
    """Return the part of the address that leads to a test."""
    text = page.read_text(encoding="utf-8")
    ids = re.findall(r'd\("data/test-results/([^"]+)\.json","([A-Za-z0-9+/=]+)"\)', text)
    return next(f"#{each}" for each, data in ids if name.encode() in base64.b64decode(data))


@pytest.mark.slow
def test_the_first_screen_says_verdict_counts_rules_and_what_was_tested(
    page: Path, tmp_path: Path
) -> None:
    words = words_of(opened(page, tmp_path))

    assert "INFRA, emulated engine: not a release verdict: 1 passed, 1 failed, 3 not run" in words
    assert "gate: engine real no [INVALID]: emulated: 1.3" in words
    assert "not run, and why 3: deployment agg is not there: cause-1" in words
    assert "suite commit abc1234" in words


@pytest.mark.slow
def test_the_failing_test_says_its_diagnosis_and_class(page: Path, tmp_path: Path) -> None:
    words = words_of(opened(page, tmp_path, place=place_of(page, "Stream 1")))

    assert " ".join(MESSAGE.split()) in words
    assert "Category: INFRA: a node, the fabric, the file system or Slurm failed" in words
    assert "Stream 1 is whole" in words


@pytest.mark.slow
def test_a_plot_is_seen_when_it_is_clicked_on(page: Path, tmp_path: Path) -> None:
    place = place_of(page, "Stream 1")
    document = opened(page, tmp_path, place=place, clicks=["load time by rank"])
    [picture] = re.findall(r'<img src="blob:[^>]*>', document)
    width = re.search(r'data-width="(\d+)"', picture)

    assert width is not None
    assert int(width[1]) > 100


@pytest.mark.slow
def test_a_page_that_asks_outside_is_found_out(tmp_path: Path) -> None:
    """The other tests would not notice if the browser did not tell."""
    asking = tmp_path / "asking.html"
    asking.write_text('<html><head></head><body><img src="http://x.invalid/a.png"></body></html>')

    with pytest.raises(pytest.fail.Exception, match=r"http://x\.invalid/a\.png"):
        opened(asking, tmp_path)
