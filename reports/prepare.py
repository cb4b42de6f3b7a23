"""Make of a copy of a run's results what the page shows: filed anew, with facts and figures."""

from __future__ import annotations

import json
from pathlib import Path

from harness.verdict_file import FACTS_FILE, read_object
from reports.arrange import Result, arranged
from reports.environment import as_properties, block
from reports.metrics import write_metrics
from reports.missing import PATTERN

ENVIRONMENT = "environment.properties"


def prepare(run_dir: Path, results: Path) -> None:
    """Change the results in the folder ``results`` in place; the run's own stay as they are."""
    made: dict[Path, Result] = {
        file: arranged(read_object(file)) for file in sorted(results.glob(PATTERN))
    }
    for file, result in made.items():
        file.write_text(json.dumps(result), encoding="utf-8")
    facts = read_object(run_dir / FACTS_FILE)
    if facts:
        (results / ENVIRONMENT).write_text(as_properties(block(facts)), encoding="utf-8")
    times = [int(each[at]) for each in made.values() for at in ("start", "stop") if at in each]
    write_metrics(run_dir, results, start_ms=min(times, default=0), stop_ms=max(times, default=0))
