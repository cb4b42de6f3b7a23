"""What has been provoked and not taken away yet: a file of the state folder, so that all see it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from testbed.cluster.errors import TestbedError
from testbed.cluster.paths import StateFolder
from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import Fault, Inject


@dataclass(frozen=True)
class Active:
    """One provoked fault: when, in seconds since the epoch, and what takes it away."""

    name: str
    at: float
    undo: tuple[Undo, ...]
    testbed: str = ""
    """Which testbed it was provoked in: one that was taken down takes its processes along."""


def inject(bed: Bed, fault: Fault) -> float:
    """Provoke a fault and note it; return when it was, in seconds since the epoch.

    Raises TestbedError when the testbed has not what it needs, such as a rank to be killed.
    """
    if fault.inject is None:
        raise TestbedError(f"testbed: {fault.name} is a matter of the run's variables alone")
    return _note(bed, fault, fault.inject)


def prepare(bed: Bed, fault: Fault) -> None:
    """Provide what the run needs for a fault; it is taken away like the fault itself."""
    if fault.prepare is not None:
        _note(bed, fault, fault.prepare)


def _note(bed: Bed, fault: Fault, act: Inject) -> float:
    undo = tuple(act(bed))
    at = time.time()
    _write(bed.state, [*active(bed.state), Active(fault.name, at, undo, bed.identity)])
    return at


def clear(bed: Bed) -> list[str]:
    """Take everything away, the latest first; return what failed, in words, to be tried again.

    Of a testbed that has been taken down since, only what outlives it is there to be taken away.
    """
    failed: list[str] = []
    kept: list[Active] = []
    for each in reversed(active(bed.state)):
        left: list[Undo] = []
        same = each.testbed == bed.identity
        for undo in (undo for undo in reversed(each.undo) if same or undo.outlives):
            if words := bed.undo(undo):
                failed.append(words)
                left.insert(0, undo)
        if left:
            kept.insert(0, replace(each, undo=tuple(left)))
    if kept:
        _write(bed.state, kept)
    else:
        _file(bed.state).unlink(missing_ok=True)
    return failed


def active(state: StateFolder) -> list[Active]:
    """Return what has been provoked, in its order."""
    try:
        entries = json.loads(_file(state).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [
        Active(
            each["name"],
            each["at"],
            tuple(Undo(undo["host"], tuple(undo["command"])) for undo in each["undo"]),
            each["testbed"],
        )
        for each in entries
    ]


def _write(state: StateFolder, entries: list[Active]) -> None:
    text = json.dumps([asdict(each) for each in entries], indent=1)
    _file(state).write_text(f"{text}\n", encoding="utf-8")


def _file(state: StateFolder) -> Path:
    return state.root / "faults.json"
