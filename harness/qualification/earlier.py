"""Earlier runs that a run is compared with: the last one, and the last one that passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, VerdictClass
from harness.qualification.comparison import Comparison, compare
from harness.qualification.history import History, PastRun
from harness.qualification.saved import SavedRun, read_saved

SINCE_LAST = "Since the last run"
SINCE_GOOD = "Since the last good run"


@dataclass(frozen=True)
class Since:
    """What changed up to now, under a title that says since when."""

    title: str
    comparison: Comparison


@dataclass(frozen=True)
class Changes:
    """What changed since earlier runs, and which of these could not be read, a line each."""

    since: tuple[Since, ...] = ()
    problems: tuple[str, ...] = ()


def against(before: SavedRun, saved: SavedRun) -> Since:
    """Compare a run with one that somebody names."""
    return Since(f"Since {before.run_id}", compare(before, saved))


def changes(saved: SavedRun, history: History) -> Changes:
    """Compare a run with the last before it of the same topologies, and with the last that passed.

    A run whose directory is gone is passed over. Where the last one passed, it is both.
    """
    problems = list(history.faults)
    last = good = None
    for past in _before(saved, history):
        if last is not None and past.verdict != VerdictClass.PASS:
            continue
        try:
            read = read_saved(Path(past.directory))
        except ConfigError as gone:
            problems.append(f"run {past.run_id} of the history: {gone.message}")
            continue
        last = last or read
        if past.verdict == VerdictClass.PASS:
            good = read
            break
    since = [(SINCE_LAST, last)] + ([(SINCE_GOOD, good)] if good is not last else [])
    found = tuple(Since(title, compare(run, saved)) for title, run in since if run)
    return Changes(found, tuple(problems))


def _before(saved: SavedRun, history: History) -> Iterator[PastRun]:
    """Yield the earlier runs of the same topologies, the latest first."""
    topologies = {end.planned.topology for end in saved.judged.ends}
    for past in reversed(history.runs):
        earlier = past.run_id != saved.run_id and past.at < saved.judged.first_at
        if earlier and set(past.topologies) == topologies:
            yield past
