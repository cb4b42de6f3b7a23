"""Three nights in one folder of trends: trends, runs rendered twice, a damaged file."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from reports.errors import ReportError
from reports.render import render
from reports.trends import DAMAGED_FILE, HISTORY_FILE, Trends, thinned

START = 1_795_000_000_000


def night(folder: Path, number: int, *, status: str = "passed", seconds: float = 1.0) -> Path:
    """A run directory of one test and one figure."""
    run_dir = folder / f"night-{number}"
    results = run_dir / "allure-results"
    results.mkdir(parents=True)
    result = {
        "uuid": f"6f1b0f6e-3d59-4d7c-9a53-0d6c5e3d3d1{number}", "historyId": "h1", "name": "test_x",
        "fullName": "tests.agg.test_x#test_x", "status": status, "stage": "finished",
        "start": START + number, "stop": START + number + 1,
    }  # fmt: skip
    (results / "a-result.json").write_text(json.dumps(result), encoding="utf-8")
    verdict = {"run_id": f"r{number}", "verdict": "PASS", "counts": {"passed": 1}}
    (run_dir / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    measures = [{"name": "load", "value": seconds, "unit": "s", "where": "agg"}]
    (run_dir / "measures.json").write_text(json.dumps(measures), encoding="utf-8")
    return run_dir


def runs(trends: Path) -> list[str]:
    lines = (trends / HISTORY_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["run"] for line in lines]


def data_of(page: str) -> dict[str, Any]:
    found = re.findall(r'd\("([^"]+\.json)","([A-Za-z0-9+/=]*)"\)', page)
    return {name: json.loads(base64.b64decode(text)) for name, text in found}


@pytest.mark.slow
def test_three_nights_show_a_regression_and_a_trend(tmp_path: Path) -> None:
    trends = tmp_path / "trends"
    render(night(tmp_path, 1, seconds=1.0), say=print, trends=trends)
    render(night(tmp_path, 2, seconds=2.0), say=print, trends=trends)
    third = render(night(tmp_path, 3, status="failed", seconds=5.0), say=print, trends=trends)
    data = data_of(third.read_text(encoding="utf-8"))
    (test,) = [data[name] for name in data if name.startswith("data/test-results/")]

    assert runs(trends) == ["night-1", "night-2", "night-3"]
    assert [past["status"] for past in test["history"]] == ["passed", "passed"]
    assert test["transition"] == "regressed"
    former = data["widgets/metrics.json"]["history"]
    assert [point["metrics"]["agg: load [s]"] for point in former] == [2.0, 1.0]


@pytest.mark.slow
def test_a_run_that_is_rendered_again_is_in_the_trends_once(tmp_path: Path) -> None:
    trends = tmp_path / "trends"
    run_dir = night(tmp_path, 1)
    for _ in range(2):
        render(run_dir, say=print, trends=trends)

    assert runs(trends) == ["night-1"]


def test_damaged_lines_are_put_aside_and_said(tmp_path: Path) -> None:
    whole = json.dumps({"run": "night-1", "testResults": {}})
    (tmp_path / HISTORY_FILE).write_text(f"{whole}\n{{torn\n[]\n", encoding="utf-8")
    said: list[str] = []
    kept = Trends.read(tmp_path, room(tmp_path), run="night-2", say=said.append)

    assert kept.draft.read_text(encoding="utf-8") == f"{whole}\n"
    assert (tmp_path / DAMAGED_FILE).read_text(encoding="utf-8") == "{torn\n[]\n"
    assert "2 damaged lines" in said[0]


def test_a_page_gets_the_figures_of_all_runs_and_the_tests_of_the_last_few() -> None:
    test = {"status": "failed", "labels": [{"name": "x", "value": "y"}], "trace": "t" * 9999}
    lines = [
        json.dumps({"run": f"night-{n}", "metrics": {"load": n}, "testResults": {"h1": test}})
        for n in range(30)
    ]
    thin = [json.loads(line) for line in thinned(lines)]

    assert [each["metrics"]["load"] for each in thin] == list(range(30))
    assert [each["run"] for each in thin if each["testResults"]] == [
        "night-27",
        "night-28",
        "night-29",
    ]
    assert thin[-1]["testResults"] == {"h1": {"status": "failed", "labels": []}}


def test_a_report_that_fails_leaves_the_trends_as_they_were(tmp_path: Path) -> None:
    former = json.dumps({"run": "night-1", "testResults": {}}) + "\n"
    (tmp_path / HISTORY_FILE).write_text(former, encoding="utf-8")
    kept = Trends.read(tmp_path, room(tmp_path), run="night-2", say=print)
    kept.draft.write_text("half", encoding="utf-8")

    assert (tmp_path / HISTORY_FILE).read_text(encoding="utf-8") == former


def test_a_place_for_trends_that_is_no_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ReportError, match="cannot be kept") as refused:
        Trends.read(tmp_path / "file", room(tmp_path), run="r", say=print)
    assert "leave --trends out" in refused.value.hint


def room(folder: Path) -> Path:
    made = folder / "room"
    made.mkdir()
    return made
