"""What each fault's run said, kept as one file a fault until the track record is written."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from harness.settings import PROJECT_ROOT
from testbed.faults.fault import Fault
from tests.harness.faults.outcome import Outcome

FOLDER = PROJECT_ROOT / "runs" / "faults"
WORDS = 240
"""Characters of the first cause that the record shows."""


@dataclass(frozen=True)
class Row:
    """One fault as it was told; ``missed`` is what was not said as it must be."""

    name: str
    verdict: str
    said: str
    detected_after_s: float | None
    missed: Sequence[str]


def forget_row(fault: Fault) -> None:
    """Drop what an earlier run said of a fault: if this one comes to nothing, none is left."""
    _file_of(fault).unlink(missing_ok=True)


def write_row(fault: Fault, outcome: Outcome, missed: Sequence[str]) -> None:
    """Keep what a run said of a fault."""
    row = Row(
        name=fault.name,
        verdict=outcome.verdict,
        said=anonymous(outcome.cause),
        detected_after_s=outcome.detected_after_s,
        missed=missed,
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(row), indent=1)
    _file_of(fault).write_text(f"{text}\n", encoding="utf-8")


def read_rows(folder: Path = FOLDER, *, since: float = 0.0) -> list[Row]:
    """Return the rows kept since a time, in seconds since the epoch, in the order of names.

    Rows of an older suite know more of a run.
    """
    names = [each.name for each in fields(Row)]
    kept = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
        if path.stat().st_mtime >= since
    ]
    return [Row(**{name: each[name] for name in names}) for each in kept]


def _file_of(fault: Fault) -> Path:
    return FOLDER / f"{fault.name}.json"


def anonymous(text: str) -> str:
    """Return the start of a message as one line, without what differs from run to run."""
    for pattern, word in (
        (re.escape(str(PROJECT_ROOT)), "<checkout>"),
        (r"/var/tmp/faults-\d+/runs/run-\d+", "<run>"),
        (r"\d{8}T\d{6}-\d+-[0-9a-f]{4}", "<id>"),
        (r"\s+", " "),
    ):
        text = re.sub(pattern, word, text)
    return text.strip() if len(text) <= WORDS else f"{text[:WORDS].strip()} ..."
