"""What a deployment's first test shows: plan, engine configs, plots with their figures, events."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.qualification.known import KnownIssues
from reports.deployments import attachments, memory_points, plan_of, plots, spans_of
from reports.plots import GREY, STYLE, load_plot
from reports.prepare import prepare
from reports.samples import MOST, thinned

FIT = {GREY, "transparent", "none", *STYLE.colors}
"""Colours that are seen on light and on dark."""

STEP = "qualify-20261128T1-1-ab-agg"
EVENTS = [
    {"at": 10.0, "event": "starting services", "deployment": "agg"},
    {"at": 10.5, "event": "step", "deployment": "agg", "name": f"{STEP}-frontend"},
    {"at": 11.0, "event": "step", "deployment": "agg", "name": f"{STEP}-agg-0"},
    {"at": 15.0, "event": "workers ready", "deployment": "agg", "workers": ["agg-0"]},
    {"at": 16.0, "event": "worker killed", "deployment": "agg", "report": "agg-0 (step 1.5) ..."},
    {"at": 17.0, "event": "step", "deployment": "agg", "name": f"{STEP}-agg-0.2"},
    {"at": 18.0, "event": "step", "deployment": "agg-again", "name": f"{STEP}-again-agg-0"},
    {"at": 20.0, "event": "abandoned", "deployment": "agg"},
]  # fmt: skip
PLAN = """nodes: node[1-2] (2)

deployment agg: head node node1
  agg-0: aggregated

ENGINE_CONFIG=/mnt/agg.yaml \\
    srun --one

deployment agg-replicas: head node node1
    srun --two
"""


def snapshot(run_dir: Path, name: str, at: float, used: Mapping[str, list[int | None]]) -> None:
    nodes = [
        {"node": node, "time_s": at, "gpus": [{"memory_used_mib": each} for each in mib]}
        for node, mib in used.items()
    ]
    (run_dir / "snapshots").mkdir(exist_ok=True)
    (run_dir / "snapshots" / name).write_text(json.dumps(nodes), encoding="utf-8")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory with one deployment and what was measured of it."""
    (tmp_path / "plan.txt").write_text(PLAN, encoding="utf-8")
    events = "".join(json.dumps(event) + "\n" for event in EVENTS)
    (tmp_path / "events.jsonl").write_text(events + '{"torn', encoding="utf-8")
    for folder in ("load", "engine_configs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "engine_configs" / "mnt_agg.yaml").write_text("tp: 16\n", encoding="utf-8")
    worker = {"worker": "agg-0", "seconds": {"0": 1.5, "10": 2.5, "2": 2.0}, "missing": [11]}
    (tmp_path / "load" / "agg.json").write_text(json.dumps([worker]), encoding="utf-8")
    snapshot(tmp_path, "01-long-ago.json", 1.0, {"node1": [9]})
    snapshot(tmp_path, "02-baseline.json", 9.0, {"node1": [0, 1], "node2": [2]})
    snapshot(tmp_path, "03-running.json", 15.0, {"node1": [100, 100], "node2": [None]})
    snapshot(tmp_path, "04-after.json", 21.0, {"node1": [1]})
    snapshot(tmp_path, "05-much-later.json", 90.0, {"node1": [9]})
    return tmp_path


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_a_deployment_has_all_of_it_each_plot_with_its_figures(run_dir: Path) -> None:
    made = {each.name: each for each in attachments(run_dir, "agg")}

    assert list(made) == [
        "plan of agg",
        "engine config /mnt/agg.yaml",
        "load time by rank",
        "load time by rank (figures)",
        "GPU memory by node",
        "GPU memory by node (figures)",
        "steps over time",
        "steps over time (figures)",
        "lifecycle events of agg",
    ]
    assert made["engine config /mnt/agg.yaml"].content == "tp: 16\n"
    assert len(made["lifecycle events of agg"].content.splitlines()) == 7
    assert rows(made["load time by rank (figures)"].content)[1:] == [
        ["agg-0", "0", "1.5"],
        ["agg-0", "2", "2.0"],
        ["agg-0", "10", "2.5"],
        ["agg-0", "11", "missing"],
    ]


def test_memory_is_that_of_the_deployments_time_with_before_and_after(run_dir: Path) -> None:
    assert memory_points(run_dir, 10.0, 20.0) == [
        ("node1", -1.0, "baseline", 1),
        ("node2", -1.0, "baseline", 2),
        ("node1", 5.0, "running", 200),
        ("node1", 11.0, "after", 1),
    ]


def test_a_step_lasts_until_it_is_named_as_ended() -> None:
    spans = spans_of([event for event in EVENTS if event["deployment"] == "agg"], "agg")

    assert [(each.part, each.start_s, each.ready_s, each.end_s) for each in spans] == [
        ("frontend", 0.5, None, 10.0),
        ("agg-0", 1.0, 5.0, 6.0),
        ("agg-0.2", 7.0, None, 10.0),
    ]


def test_a_plan_is_that_of_the_deployment_alone(run_dir: Path) -> None:
    assert "--one" in plan_of(run_dir, "agg-again")
    assert "--two" not in plan_of(run_dir, "agg")
    assert plan_of(run_dir, "agg-replicas").endswith("srun --two\n")


def test_a_plot_is_a_picture_that_loads_nothing_and_fits_light_and_dark(run_dir: Path) -> None:
    for plot in plots(run_dir, "agg"):
        root = ET.fromstring(plot.svg)  # noqa: S314 - made a moment ago by ourselves
        assert root.tag.endswith("svg")
        assert "<script" not in plot.svg
        assert "href=" not in plot.svg
        assert GREY in plot.svg
        assert set(re.findall(r"(?:fill|stroke|background-color): *(#\w+|\w+)", plot.svg)) <= FIT


def test_the_same_figures_make_the_same_picture() -> None:
    workers = [("agg-0", {0: 1.0}, ())]

    assert load_plot(workers) == load_plot(workers)


def test_ranks_that_are_missing_are_named_beside_their_worker() -> None:
    assert "agg-0, missing 3, 9" in load_plot([("agg-0", {0: 1.0}, (3, 9))]).svg


def test_the_first_test_of_the_deployment_gets_them(run_dir: Path) -> None:
    results = run_dir / "allure-results"
    results.mkdir()
    labels = [
        {"name": "dynamo_topology", "value": "agg"},
        {"name": "dynamo_stage", "value": "serve"},
    ]
    for name, start in (("b", 2), ("a", 1)):
        told = {"uuid": name, "name": name, "labels": labels, "start": start, "stop": 3}
        (results / f"{name}-result.json").write_text(json.dumps(told), encoding="utf-8")
    prepare(run_dir, results, KnownIssues())
    first, second = (json.loads((results / f"{name}-result.json").read_text()) for name in "ab")

    assert [each["name"] for each in first["attachments"]][:1] == ["plan of agg"]
    assert all((results / each["source"]).is_file() for each in first["attachments"])
    assert "attachments" not in second


@pytest.mark.parametrize(
    ("status", "step", "stays"),
    [("failed", {}, True), ("passed", {}, False), ("passed", {"attachments": [{}]}, True)],
)
def test_steps_of_tests_that_went_well_are_left_out(
    run_dir: Path, status: str, step: Mapping[str, object], *, stays: bool
) -> None:
    results = run_dir / "allure-results"
    results.mkdir()
    told = {"uuid": "a", "name": "a", "status": status}
    (results / "a-result.json").write_text(json.dumps(told), encoding="utf-8")
    container = results / "c-container.json"
    steps = {"befores": [{"name": "run", **step}], "afters": []}
    container.write_text(json.dumps({"children": ["a"], **steps}), encoding="utf-8")
    prepare(run_dir, results, KnownIssues())

    assert container.exists() is stays


def test_a_run_without_files_has_nothing_to_show(tmp_path: Path) -> None:
    assert list(attachments(tmp_path, "agg")) == []


def test_drawing_leaves_no_importer_that_others_stumble_over() -> None:
    assert all(hasattr(finder, "find_spec") for finder in sys.meta_path)


def sampled(run_dir: Path, node: str, *lines: str) -> None:
    folder = run_dir / "memory" / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{node}.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_samples_of_the_deployments_time_stand_between_the_snapshots(run_dir: Path) -> None:
    lines = [json.dumps({"at": at, "used_mib": {"0": at, "1": 1}}) for at in (9, 12, 18, 21)]
    sampled(run_dir, "node2", *lines, '{"at": 19}', '{"at": 19, "used_')

    assert memory_points(run_dir, 10.0, 20.0) == [
        ("node1", -1.0, "baseline", 1),
        ("node2", -1.0, "baseline", 2),
        ("node2", 2.0, "sampled", 13),
        ("node1", 5.0, "running", 200),
        ("node2", 8.0, "sampled", 19),
        ("node1", 11.0, "after", 1),
    ]


def test_of_a_long_time_the_highest_samples_are_drawn() -> None:
    samples = [(float(at), 100 if at == 777 else at % 7) for at in range(1000)]
    drawn = thinned(samples)

    assert MOST / 2 < len(drawn) <= MOST
    assert (777.0, 100) in drawn
    assert drawn == sorted(drawn)
    assert thinned(drawn) == drawn
