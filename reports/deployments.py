"""What belongs to a deployment, from the files of the run directory; its first test shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.plots import Plot, Span, load_plot, memory_plot, timeline_plot
from reports.samples import samples_of

TEXT, SVG, CSV, YAML = "text/plain", "image/svg+xml", "text/csv", "text/x-yaml"
SUFFIX = {TEXT: "txt", SVG: "svg", CSV: "csv", YAML: "yaml"}


@dataclass(frozen=True)
class Attachment:
    """A named text of some kind (a media type)."""

    name: str
    kind: str
    content: str


def attachments(run_dir: Path, deployment: str) -> Iterator[Attachment]:
    """Yield plan, engine configs, plots with their figures, and events of a deployment."""
    plan = plan_of(run_dir, deployment)
    if plan:
        yield Attachment(f"plan of {deployment}", TEXT, plan)
    yield from _engine_configs(run_dir, plan)
    for plot in plots(run_dir, deployment):
        yield Attachment(plot.name, SVG, plot.svg)
        yield Attachment(f"{plot.name} (figures)", CSV, plot.csv)
    events = [json.dumps(event) for event in events_of(run_dir, deployment)]
    if events:
        yield Attachment(f"lifecycle events of {deployment}", TEXT, "\n".join(events) + "\n")


def plots(run_dir: Path, deployment: str) -> Iterator[Plot]:
    """Yield the plots for which the run has figures."""
    workers = [
        (each["worker"], {int(k): v for k, v in each["seconds"].items()}, each["missing"])
        for each in _list(run_dir / "load" / f"{deployment}.json")
    ]
    if any(seconds or missing for _, seconds, missing in workers):
        yield load_plot(workers)
    events = list(events_of(run_dir, deployment))
    if not events:
        return
    start, end = float(events[0]["at"]), float(events[-1]["at"])
    points = memory_points(run_dir, start, end)
    if points:
        yield memory_plot(points)
    spans = spans_of(events, deployment)
    if spans:
        yield timeline_plot(spans)


def plan_of(run_dir: Path, deployment: str) -> str:
    """Return the deployment's part of ``plan.txt``; made again, it has that of its topology."""
    try:
        text = (run_dir / "plan.txt").read_text(encoding="utf-8")
    except OSError:
        return ""
    name = deployment.partition("-again")[0]
    parts = re.split(r"^(?=deployment )", text, flags=re.MULTILINE)
    return next((part for part in parts if part.startswith(f"deployment {name}:")), "")


def events_of(run_dir: Path, deployment: str) -> Iterator[Mapping[str, Any]]:
    """Yield the lifecycle events of a deployment in their order; a torn line is left out."""
    try:
        lines = (run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("deployment") == deployment:
            yield event


def memory_points(run_dir: Path, start: float, end: float) -> list[tuple[str, float, str, int]]:
    """Return node, seconds after ``start``, moment and MiB: of the snapshots and samples meanwhile.

    Also of the last snapshot before, and of the first one after: what was there before, and what
    was left.
    """
    found = []
    for file in sorted((run_dir / "snapshots").glob("*.json")):
        moment = file.stem.partition("-")[2]
        for node in _list(file):
            used = [gpu.get("memory_used_mib") for gpu in node.get("gpus") or ()]
            known = [each for each in used if each is not None]
            if known and node.get("time_s"):
                found.append((str(node["node"]), float(node["time_s"]), moment, sum(known)))
    before = max((at for _, at, _, _ in found if at < start), default=start)
    after = min((at for _, at, _, _ in found if at > end), default=end)
    near = 2.0  # the nodes of one snapshot answer within a moment of each other
    seen = [each for each in found if before - near <= each[1] <= after + near]
    seen += samples_of(run_dir, start, end)
    return [
        (node, round(at - start, 3), moment, used)
        for node, at, moment, used in sorted(seen, key=lambda each: each[1])
    ]


def spans_of(events: list[Mapping[str, Any]], deployment: str) -> list[Span]:
    """Return every step with its times; one that nothing ended lasts until the last event."""
    start, last = float(events[0]["at"]), float(events[-1]["at"])
    return [
        Span(
            _part(str(event["name"]), deployment),
            round(float(event["at"]) - start, 3),
            _after(_ready_at(events, event, deployment), start),
            round(_end_at(events, event, last) - start, 3),
        )
        for event in events
        if event.get("event") == "step"
    ]


def _ready_at(
    events: list[Mapping[str, Any]], step: Mapping[str, Any], deployment: str
) -> float | None:
    worker = _part(str(step["name"]), deployment).partition(".")[0]
    later = (each for each in events if float(each["at"]) > float(step["at"]))
    end = _end_at(events, step, float(events[-1]["at"]))
    ready = (
        float(each["at"])
        for each in later
        if each.get("event") == "workers ready" and worker in each.get("workers", ())
    )
    found = next(ready, None)
    return found if found is not None and found <= end else None


def _end_at(events: list[Mapping[str, Any]], step: Mapping[str, Any], last: float) -> float:
    """Return when an event after the step's start names it as ended."""
    name, started = str(step["name"]), float(step["at"])
    part = re.sub(r".*-(\w+-\d+)(?:\.\d+)?$", r"\1", name)
    for event in events:
        if float(event["at"]) <= started:
            continue
        report = str(event.get("report", ""))
        killed = event.get("event") == "worker killed" and report.startswith(f"{part} ")
        if report.startswith(f"{name} ") or killed or event.get("event") == "abandoned":
            return float(event["at"])
    return last


def _after(at: float | None, start: float) -> float | None:
    return None if at is None else round(at - start, 3)


def _part(name: str, deployment: str) -> str:
    return name.partition(f"-{deployment}-")[2]


def _engine_configs(run_dir: Path, plan: str) -> Iterator[Attachment]:
    paths = dict.fromkeys(match.strip("\\ ") for match in re.findall(r"ENGINE_CONFIG=(\S+)", plan))
    for path in paths:
        file = run_dir / "engine_configs" / path.strip("/").replace("/", "_")
        if file.is_file():
            yield Attachment(f"engine config {path}", YAML, file.read_text(encoding="utf-8"))


def _list(path: Path) -> list[Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
