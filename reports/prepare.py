"""Make of a copy of a run's results what the page shows: filed anew, with facts and figures."""

from __future__ import annotations

import json
from pathlib import Path

from harness.verdict_file import FACTS_FILE, read_object
from reports.arrange import Result, arranged, first_tests
from reports.deployments import SUFFIX, TEXT, Attachment, attachments
from reports.environment import as_properties, block
from reports.facts import RunFacts
from reports.metrics import write_metrics
from reports.missing import PATTERN

ENVIRONMENT = "environment.properties"


VERDICT_TEXT = "verdict-attachment.txt"
GLOBALS = "verdict-globals.json"


def prepare(run_dir: Path, results: Path, about: RunFacts) -> None:
    """Change the results in the folder ``results`` in place; the run's own stay as they are.

    ``about`` is what the page begins with. It cuts long values: all of it is attached as a text.
    """
    made: dict[Path, Result] = {
        file: arranged(read_object(file)) for file in sorted(results.glob(PATTERN))
    }
    first = first_tests(made.values())
    files = {str(result.get("uuid")): file for file, result in made.items()}
    for deployment, uuid in first.items():
        attached = list(attachments(run_dir, deployment))
        _attach(made[files[uuid]], attached, results)
    for file, result in made.items():
        file.write_text(json.dumps(result), encoding="utf-8")
    facts = read_object(run_dir / FACTS_FILE)
    if facts:
        (results / ENVIRONMENT).write_text(as_properties(block(facts)), encoding="utf-8")
    times = [int(each[at]) for each in made.values() for at in ("start", "stop") if at in each]
    lines = [about.name, "", *(f"{name}: {value}" for name, value in about.variables.items())]
    (results / VERDICT_TEXT).write_text("\n".join(lines) + "\n", encoding="utf-8")
    named = {"name": "verdict, and what made it", "source": VERDICT_TEXT, "type": TEXT}
    (results / GLOBALS).write_text(json.dumps({"attachments": [named]}), encoding="utf-8")
    write_metrics(run_dir, results, start_ms=min(times, default=0), stop_ms=max(times, default=0))


def _attach(result: Result, attached: list[Attachment], results: Path) -> None:
    """Write attachments beside the results, and name them in the result of a test."""
    named = list(result.get("attachments", ()))
    for number, each in enumerate(attached):
        source = f"{result['uuid']}-{number}-attachment.{SUFFIX[each.kind]}"
        (results / source).write_text(each.content, encoding="utf-8")
        named.append({"name": each.name, "source": source, "type": each.kind})
    if attached:
        result["attachments"] = named
