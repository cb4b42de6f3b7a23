"""What exactly was tested, and the figures, as the report has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reports.environment import UNKNOWN, as_properties, block
from reports.metrics import METRICS, metrics_of, write_metrics

FACTS = {
    "engine": "1.3.0rc22",
    "image": "/srv/i.sqsh",
    "suite_commit": "abc1234",
    "command": "pytest -m agg --nodes 4",
    "slurm": "22.05.8",
    "enroot": "4.1.2",
    "cuda_of_driver": "13.0",
    "engine_config_simple_agg": "/mnt/agg.yaml sha256:00",
    "preflight_paths": "ai_dynamo 1.4.2; cuda 13.0.1",
    "preflight_model": "/hf/models--m/snapshots/0123abc: 2 files of weights",
}


def test_the_block_has_every_row_in_order_and_the_command_last() -> None:
    rows = block(FACTS)

    assert list(rows)[:3] == ["suite commit", "image", "image digest"]
    assert list(rows)[-1] == "command to repeat it"
    assert rows["Dynamo"] == "1.4.2"
    assert rows["CUDA"] == "13.0.1"
    assert rows["model revision"] == "0123abc"
    assert rows["Slurm"] == "22.05.8"
    assert rows["Pyxis"] == UNKNOWN
    assert rows["enroot"] == "4.1.2"
    assert list(rows).index("enroot") == list(rows).index("Pyxis") + 1
    assert rows["CUDA of the driver"] == "13.0"
    assert rows["engine_config_simple_agg"] == "/mnt/agg.yaml sha256:00"


def test_a_run_against_a_server_has_its_own_facts_alone() -> None:
    facts = {"endpoint": "http://h", "command": "pytest"}

    assert block(facts) == facts


def test_properties_keep_blanks_and_backslashes() -> None:
    assert as_properties({"a b": "c\\d\ne"}) == "a\\ b=c\\\\d e\n"


def measure(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "s", "where": "agg", **more}


def test_a_metric_has_its_place_and_its_unit_in_its_name() -> None:
    made = metrics_of([measure("p50 at 1", 0.0301239), measure("EPLB", 3, unit="")], {})

    assert made == [
        {"id": "agg-p50-at-1-s", "key": "agg: p50 at 1 [s]", "value": 0.03012},
        {"id": "agg-eplb", "key": "agg: EPLB", "value": 3.0},
    ]  # fmt: skip


def test_a_figure_that_comes_again_is_another_metric() -> None:
    keys = [each["key"] for each in metrics_of([measure("window", 1), measure("window", 2)], {})]

    assert keys == ["agg: window [s]", "agg: window [s] (2)"]


def test_what_is_no_number_is_no_metric() -> None:
    assert metrics_of([measure("window", None)], {}) == []


def test_the_slowest_rank_of_each_worker_is_a_metric(tmp_path: Path) -> None:
    (tmp_path / "load").mkdir()
    worker = {"worker": "agg-0", "seconds": {"0": 1.5, "1": 2.5}, "missing": []}
    broken = {"worker": "agg-1", "seconds": {}, "missing": [0]}
    (tmp_path / "load" / "agg.json").write_text(json.dumps([worker, broken]), encoding="utf-8")
    write_metrics(tmp_path, tmp_path, start_ms=1, stop_ms=2)
    (made,) = json.loads((tmp_path / METRICS).read_text(encoding="utf-8"))

    assert made["key"] == "agg: slowest rank of agg-0 loaded [s]"
    assert (made["value"], made["start"], made["stop"]) == (2.5, 1, 2)


def test_a_run_without_figures_has_no_metrics(tmp_path: Path) -> None:
    (tmp_path / "measures.json").write_text("{", encoding="utf-8")
    write_metrics(tmp_path, tmp_path, start_ms=1, stop_ms=2)

    assert not (tmp_path / METRICS).exists()
