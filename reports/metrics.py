"""The report's metrics page: every figure of the run, one a line, under a name that stays.

Allure shows what is in ``*-perf.json``, and keeps the values in its history: the same name makes a
trend over the nights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MEASURES = "measures.json"
METRICS = "qualification-perf.json"

SHOWN = 4
"""Digits that count."""


def metrics_of(measures: list[Mapping[str, Any]], load: Mapping[str, list[Any]]) -> list[Any]:
    """Return the content of ``*-perf.json`` for measures and for the load times of workers.

    A figure that comes several times (a second worker pair, a third kill) keeps its number, in the
    order of coming: so the n-th of tonight is compared with the n-th of last night.
    """
    found: dict[str, int] = {}
    metrics = []
    for key, value in [*_measured(measures), *_loaded(load)]:
        found[key] = found.get(key, 0) + 1
        name = key if found[key] == 1 else f"{key} ({found[key]})"
        metrics.append({"id": _slug(name), "key": name, "value": float(f"{value:.{SHOWN}g}")})
    return metrics


def write_metrics(run_dir: Path, results: Path, *, start_ms: int, stop_ms: int) -> None:
    """Write the metrics of a run beside its results; a run without figures has none."""
    load = {path.stem: _read(path) for path in sorted((run_dir / "load").glob("*.json"))}
    metrics = metrics_of(_read(run_dir / MEASURES), load)
    if metrics:
        made = [{**metric, "start": start_ms, "stop": stop_ms} for metric in metrics]
        (results / METRICS).write_text(json.dumps(made), encoding="utf-8")


def _measured(measures: list[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    for each in measures:
        where, unit = each.get("where"), each.get("unit")
        value = each.get("value")
        if isinstance(value, int | float):
            head = f"{where}: " if where else ""
            yield f"{head}{each['name']}{f' [{unit}]' if unit else ''}", float(value)


def _loaded(load: Mapping[str, list[Any]]) -> Iterator[tuple[str, float]]:
    for deployment, workers in load.items():
        for worker in workers:
            seconds = list(map(float, worker["seconds"].values()))
            if seconds:
                yield f"{deployment}: slowest rank of {worker['worker']} loaded [s]", max(seconds)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _read(path: Path) -> list[Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
