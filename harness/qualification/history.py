"""The history of runs: ``history.jsonl``, one line a run, only ever appended to.

A line holds what the table of runs and the table of flakes need::

    {"schema": 1, "run_id": "...", "at": 1795893843.7, "verdict": "PASS", "counts": {...},
     "emulated": true, "seconds": 125.7, "directory": "/.../runs/...", "topologies": ["agg", ...],
     "facts": {...}, "tests": {"<test id>": "passed", ...}}

``at`` is the wall clock of the run's begin (seconds since the epoch). A line that cannot be read is
reported and stays where it is.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from harness.deadline import Deadline, wait_until
from harness.errors import InfraError
from harness.qualification.rows import rows_of
from harness.qualification.saved import SavedRun
from harness.settings import PROJECT_ROOT
from harness.verdict_file import counts_json, counts_of

HISTORY_FILE = PROJECT_ROOT / "runs" / "history.jsonl"
SCHEMA = 1
LOCK_S = 30.0
"""How long another writer is waited for; a line takes milliseconds."""

FACTS = (
    "suite_commit", "image", "dynamo_release", "engine", "driver", "gpus", "model", "nodes", "job",
)  # fmt: skip
"""Facts that are kept, and besides them the engine configs with their hashes."""


@dataclass(frozen=True)
class PastRun:
    """One line of the history; ``tests`` has the outcome of each test."""

    run_id: str
    at: float
    verdict: str
    counts: Mapping[str, int] = field(default_factory=dict)
    emulated: bool | None = None
    seconds: float = 0.0
    directory: str = ""
    topologies: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the line as an object."""
        return {"schema": SCHEMA, **vars(self)}


@dataclass(frozen=True)
class History:
    """The runs in the order of the file, and what is wrong with its lines."""

    runs: tuple[PastRun, ...]
    faults: tuple[str, ...] = ()


def past_run(saved: SavedRun) -> PastRun:
    """Return what the history keeps of a run."""
    topologies = dict.fromkeys(end.planned.topology for end in saved.judged.ends)
    facts = {
        name: value
        for name, value in saved.facts.items()
        if name in FACTS or name.startswith("engine_config_")
    }
    return PastRun(
        saved.run_id,
        at=round(saved.judged.first_at, 3),
        verdict=str(saved.verdict.get("verdict")),
        counts=counts_json(counts_of(saved.verdict)),
        emulated=saved.verdict.get("emulated"),
        seconds=round(saved.judged.seconds, 3),
        directory=str(saved.path.resolve()),
        topologies=tuple(topologies),
        facts=facts,
        tests={row.id: str(row.outcome) for row in rows_of(saved)},
    )


def read_history(path: Path) -> History:
    """Return the runs of a history; none when there is no such file.

    Raises ``OSError`` for a file that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return History(())
    runs, faults = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            runs.append(_past_run(line))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError) as wrong:
            faults.append(
                f"{path}:{number}: left out, it is no line of a history ({_why(wrong)}); it stays "
                "in the file"
            )
    return History(tuple(runs), tuple(faults))


def readable_history(path: Path) -> History:
    """Return the runs of a history; one that cannot be read has none, and a fault that says so."""
    try:
        return read_history(path)
    except OSError as unreadable:
        return History((), (f"{path}: not read: {unreadable}",))


def append(path: Path, run: PastRun) -> bool:
    """Add a run at the end, under a lock; ``False`` when its id is there already.

    Raises :class:`InfraError` when another writer keeps the lock. A last line that was torn is
    closed first, so that nothing is joined to it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as file:
        if any(each.run_id == run.run_id for each in read_history(path).runs):
            return False
        end = file.seek(0, os.SEEK_END)
        torn = end > 0 and _byte_at(file, end - 1) != b"\n"
        line = json.dumps(run.as_json(), separators=(",", ":"))
        file.write((b"\n" if torn else b"") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open for appending, alone; where the file system has no locks nobody can be waited for."""
    with path.open("a+b") as file:
        if not wait_until(lambda: _lock(file), Deadline.after(LOCK_S)):
            raise InfraError(
                f"{path}: another writer has kept its lock for {LOCK_S:.0f} s",
                hint=f"`fuser -v {path}` on the host that writes it says who",
            )
        yield file


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks on this file system: nobody can be waited for
    return True


def _byte_at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(1)


def _past_run(line: str) -> PastRun:
    told = json.loads(line)
    if told["schema"] != SCHEMA:
        raise ValueError(f"schema {told['schema']}, not {SCHEMA}")
    datetime.fromtimestamp(float(told["at"]), tz=timezone.utc)  # raises for what is no time
    return PastRun(
        str(told["run_id"]),
        at=float(told["at"]),
        verdict=str(told["verdict"]),
        counts={name: int(value) for name, value in told["counts"].items()},
        emulated=told["emulated"],
        seconds=float(told["seconds"]),
        directory=str(told["directory"]),
        topologies=tuple(map(str, told["topologies"])),
        facts=_texts(told["facts"].items()),
        tests=_texts(told["tests"].items()),
    )


def _texts(pairs: Iterable[tuple[object, object]]) -> dict[str, str]:
    return {str(name): str(value) for name, value in pairs}


def _why(wrong: Exception) -> str:
    return f"no {wrong}" if isinstance(wrong, KeyError) else str(wrong)
