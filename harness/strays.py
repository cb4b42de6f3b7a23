"""Results in ``allure-results`` that are not this run's, or that hold no result at all.

The verdict is judged from the journal and needs none of them. They would be in the report, though,
beside those of the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.judge_run import JudgedRun, goes_on, judge_directory
from harness.planned import PLANNED_FILE, read_planned
from harness.verdict_file import read_object

RESULTS = "allure-results"
PATTERN = "*-result.json"
CLOCK_SLACK_S = 1.0

TOPOLOGY = "dynamo_topology"


@dataclass(frozen=True)
class Strays:
    """Names of files: ``damaged`` hold no result, ``foreign`` one of another run.

    The words say what is wrong, a line each.
    """

    damaged: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    damaged_words: tuple[str, ...] = ()
    foreign_words: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.damaged, *self.foreign)


def strays_in(run_dir: Path) -> Strays:
    """Return the strays of a run; what is foreign is known of a run that is over alone."""
    found = {file.name: read_object(file) for file in sorted((run_dir / RESULTS).glob(PATTERN))}
    damaged = [name for name, result in found.items() if not is_result(result)]
    whole = {name: result for name, result in found.items() if name not in damaged}
    planned = {test.allure_name for test in read_planned(run_dir / PLANNED_FILE) or ()}
    unplanned = [name for name, each in whole.items() if planned and _name_of(each) not in planned]
    judged = None if goes_on(run_dir) else judge_directory(run_dir)
    rest = [name for name in whole if name not in unplanned]
    later = [name for name in rest if judged and _is_later(whole[name], judged)]
    return Strays(
        tuple(damaged),
        (*unplanned, *later),
        tuple(_damaged_words(damaged)),
        (
            *_foreign_words([whole[name] for name in unplanned], f"not planned in {PLANNED_FILE}"),
            *_foreign_words([whole[name] for name in later], "begun after the run's end"),
        ),
    )


def is_result(told: Mapping[str, Any]) -> bool:
    """Whether an object has what every result of Allure has, each of its kind."""
    texts = (told.get("uuid"), told.get("name"), told.get("fullName"), told.get("status"))
    times = (told.get("start", 0), told.get("stop", 0))
    labels = told.get("labels", [])
    return (
        all(isinstance(each, str) for each in texts)
        and all(isinstance(each, (int, float)) for each in times)
        and isinstance(labels, list)
        and all(map(_is_label, labels))
    )


def _is_label(told: object) -> bool:
    names = (told.get("name"), told.get("value")) if isinstance(told, dict) else (None,)
    return all(isinstance(each, str) for each in names)


def _name_of(result: Mapping[str, Any]) -> tuple[str, str]:
    return result["fullName"], result["name"]


def _is_later(result: Mapping[str, Any], judged: JudgedRun) -> bool:
    began_ms = float(result.get("start", -math.inf))
    return bool(judged.last_at) and began_ms > 1000 * (judged.last_at + CLOCK_SLACK_S)


def _damaged_words(names: Iterable[str]) -> Iterator[str]:
    listed = list(names)
    if listed:
        yield f"{RESULTS} is damaged: {len(listed)} files hold no result, first {listed[0]}"


def _foreign_words(results: Iterable[Mapping[str, Any]], why: str) -> Iterator[str]:
    listed = list(results)
    if not listed:
        return
    topologies = sorted({name for each in listed for name in _topologies(each)})
    of = f" of {', '.join(topologies)}" if topologies else ""
    first = "#".join((listed[0]["fullName"].partition("#")[0], listed[0]["name"]))
    yield f"{RESULTS} has {len(listed)} results{of}, first {first}, {why}"


def _topologies(result: Mapping[str, Any]) -> Iterator[str]:
    yield from (each["value"] for each in result.get("labels", ()) if each["name"] == TOPOLOGY)
