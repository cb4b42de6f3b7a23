"""Make of a copy of a run's results what the page shows: filed anew, with facts and figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from harness.planned import PLANNED_FILE, read_planned
from harness.qualification.known import KnownIssues
from harness.verdict_file import FACTS_FILE, read_object
from reports.arrange import Result, arranged, claimed, first_tests, named
from reports.deployments import SUFFIX, Attachment, attachments
from reports.environment import as_properties, block
from reports.identity import identity, key_of
from reports.metrics import write_metrics
from reports.missing import PATTERN

ENVIRONMENT = "environment.properties"
LOUD = ("failed", "broken", "unknown")


def prepare(run_dir: Path, results: Path, known: KnownIssues) -> None:
    """Change the results in the folder ``results`` in place; the run's own stay as they are.

    ``known`` are the known issues that fit its tests: each is linked where it fits.
    """
    tests = {key_of(identity(test)): test.id for test in read_planned(run_dir / PLANNED_FILE) or ()}
    made: dict[Path, Result] = {}
    for file in sorted(results.glob(PATTERN)):
        result = read_object(file)
        test = tests.get(key_of(result), "")
        made[file] = claimed(named(arranged(result), test), known.by_test.get(test))
    drop_quiet_steps(results, made.values())
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
    write_metrics(run_dir, results, start_ms=min(times, default=0), stop_ms=max(times, default=0))


def drop_quiet_steps(results: Path, made: Iterable[Result]) -> None:
    """Delete the steps of set-up and tear-down where they say nothing: of tests that went well.

    They are most of the files, and more of the page than the tests themselves.
    """
    loud = {each.get("uuid") for each in made if each.get("status") in LOUD}
    for file in results.glob("*-container.json"):
        container = read_object(file)
        steps = [*container.get("befores", ()), *container.get("afters", ())]
        shows = any(step.get("attachments") for step in steps)
        if not shows and loud.isdisjoint(container.get("children", ())):
            file.unlink()


def _attach(result: Result, attached: list[Attachment], results: Path) -> None:
    """Write attachments beside the results, and name them in the result of a test."""
    named = list(result.get("attachments", ()))
    for number, each in enumerate(attached):
        source = f"{result['uuid']}-{number}-attachment.{SUFFIX[each.kind]}"
        (results / source).write_text(each.content, encoding="utf-8")
        named.append({"name": each.name, "source": source, "type": each.kind})
    if attached:
        result["attachments"] = named
