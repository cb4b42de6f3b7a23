"""A saved run, read from its directory, with all that is wrong with its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.journal import JOURNAL_FILE
from harness.judge_run import JudgedRun, goes_on, judge_directory
from harness.measures import MEASURES_FILE, Measure
from harness.planned import PLANNED_FILE, read_planned
from harness.qualification.problems import problems_of
from harness.qualification.selection import SELECTION_FILE, Selection, read_selection
from harness.verdict_file import (
    FACTS_FILE,
    VERDICT_FILE,
    counts_json,
    read_object,
    verdict_json,
)

SETTINGS_FILE = "settings.json"
TRACES = (VERDICT_FILE, PLANNED_FILE, JOURNAL_FILE, SETTINGS_FILE, FACTS_FILE, "plan.json")
"""Files of which any makes a folder a run's directory, however little is left of it."""

NO_RESULTS = "no results: neither a list of its tests nor a verdict can be read"


@dataclass(frozen=True)
class SavedRun:
    """One run as its files tell of it.

    ``verdict`` has the members of ``verdict.json``; ``selection`` is ``None`` where the run did not
    keep it; ``environment`` are the settings that came from variables; ``problems`` says what is
    missing, damaged or of another run, a line each.
    """

    path: Path
    verdict: Mapping[str, Any]
    judged: JudgedRun
    facts: Mapping[str, str]
    measures: tuple[Measure, ...] = ()
    selection: Selection | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """The run's id, or the folder's name where nothing tells it."""
        return str(self.verdict.get("run_id") or self.judged.run_id or self.path.resolve().name)

    @property
    def has_results(self) -> bool:
        """Whether anything tells what became of its tests."""
        return bool(self.judged.ends)


def read_saved(run_dir: Path) -> SavedRun:
    """Read a run that is over; raises :class:`ConfigError` for what is none, or goes on."""
    if not run_dir.is_dir():
        raise ConfigError(f"{run_dir}: no such run directory", hint="name one, as runs/latest")
    if not any((run_dir / name).exists() for name in TRACES):
        raise ConfigError(
            f"{run_dir} has no {VERDICT_FILE}, and no record of its tests ({PLANNED_FILE} and "
            f"{JOURNAL_FILE}) to judge by: it is no run directory"
        )
    if goes_on(run_dir):
        raise ConfigError(f"{run_dir}: the run goes on; it has no verdict yet")
    return saved_run(run_dir)


def saved_run(run_dir: Path) -> SavedRun:
    """Read a run whatever its state; what cannot be read is among its problems."""
    facts = read_object(run_dir / FACTS_FILE)
    judged = judge_directory(run_dir)
    verdict = read_object(run_dir / VERDICT_FILE)
    if not verdict:
        verdict = verdict_json(judged, facts, run_dir) if judged else _without_results(run_dir)
    measures = _measures(run_dir / MEASURES_FILE)
    damaged = [
        f"{name} is damaged: {run_dir / name} holds no JSON of its kind"
        for name, unread in (
            (VERDICT_FILE, not read_object(run_dir / VERDICT_FILE)),
            (PLANNED_FILE, read_planned(run_dir / PLANNED_FILE) is None),
            (FACTS_FILE, not facts),
            (MEASURES_FILE, measures is None),
        )
        if unread and (run_dir / name).exists()
    ]
    judged = judged or JudgedRun((), first_at=0.0, last_at=0.0)
    return SavedRun(
        run_dir,
        verdict,
        judged,
        {str(name): str(value) for name, value in facts.items()},
        measures or (),
        read_selection(run_dir / SELECTION_FILE),
        _environment(read_object(run_dir / SETTINGS_FILE)),
        (*damaged, *problems_of(run_dir, verdict, judged, facts=facts)),
    )


def _without_results(run_dir: Path) -> dict[str, Any]:
    """Return the verdict of a run that left nothing to judge by."""
    nothing = JudgedRun((), first_at=0.0, last_at=0.0)
    told = verdict_json(nothing, read_object(run_dir / FACTS_FILE), run_dir)
    return {**told, "counts": counts_json(nothing.counts), "error": f"{NO_RESULTS} in {run_dir}"}


def _environment(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that the run had from variables of its shell, by variable."""
    settings, sources = told.get("settings"), told.get("sources")
    if not isinstance(settings, dict) or not isinstance(sources, dict):
        return {}
    return {
        name.upper(): str(settings.get(name))
        for name, source in sources.items()
        if source == f"environment variable {name.upper()}"
    }


def _measures(path: Path) -> tuple[Measure, ...] | None:
    """Return the figures of a run, none when there is no such file, ``None`` when it is damaged."""
    if not path.exists():
        return ()
    known = {each.name for each in fields(Measure)}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Measure(**{name: value for name, value in each.items() if name in known})
            for each in told
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return None
