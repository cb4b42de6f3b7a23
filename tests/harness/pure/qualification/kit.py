"""Run directories as the suite writes them, made of a few words."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from harness.errors import VerdictClass
from harness.judge_run import RunCounts
from harness.planned import PlannedTest
from harness.verdict import verdict_of
from harness.verdict_file import counts_json

TODAY = date(2026, 11, 28)
CLASSES = {each.value for each in VerdictClass}
FACTS = {
    "engine": "1.3.0",
    "gpus": "16 x NVIDIA GB200",
    "image": "/images/one.sqsh",
    "suite_commit": "abc1234",
    "job": "7",
    "engine_config_agg": "/mnt/agg.yaml sha256:0011",
    "command": "pytest -m 'agg or disagg' --nodes 8 --run-dir /runs/a",
}


@dataclass(frozen=True)
class T:
    """A test and its end: ``passed``, ``skipped``, ``not run``, ``never ran``, or a class."""

    __test__ = False

    id: str
    end: str = "passed"
    message: str = ""
    topology: str = "agg"
    stage: str = "serve"
    promise: str = ""
    kind: str = "agg"

    @property
    def failed(self) -> bool:
        """Whether it ended with a class."""
        return self.end in CLASSES


AGG = T("tests/agg/test_serving.py::TestForms::test_chat[a-stream]", promise="A chat is answered.")
DISAGG = T(
    "tests/disagg/test_serving.py::TestForms::test_chat[a-stream]",
    topology="disagg",
    promise="A chat is answered.",
    kind="disagg",
)
GOOD = (AGG, DISAGG)


def ended(test: T, end: str, message: str = "") -> T:
    """Return a test with another end."""
    return replace(test, end=end, message=message)


@dataclass
class Run:
    """What a run directory is made of; ``files`` replaces or, with ``None``, leaves out files."""

    tests: Sequence[T] = GOOD
    run_id: str = "run-a"
    at: float = 1000.0
    facts: Mapping[str, str] = field(default_factory=lambda: dict(FACTS))
    measures: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[T] = ()
    collected_from: Sequence[str] = ("tests",)
    verdict: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the directory, and return it."""
        folder.mkdir(parents=True, exist_ok=True)
        selection = {
            "collected_from": list(self.collected_from),
            "ignored": [],
            "left_out": [_planned(test) for test in self.left_out],
        }
        texts: dict[str, str | None] = {
            "tests.json": json.dumps([_planned(test) for test in self.tests]),
            "journal.jsonl": "".join(json.dumps(line) + "\n" for line in self._journal()),
            "verdict.json": json.dumps({**self._verdict(), **self.verdict}),
            "facts.json": json.dumps(self.facts),
            "measures.json": json.dumps(list(self.measures)),
            "selection.json": json.dumps(selection),
            **self.files,
        }
        for name, text in texts.items():
            if text is not None:
                (folder / name).write_text(text, encoding="utf-8")
        return folder

    def _journal(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = [{"at": self.at, "event": "begin", "run_id": self.run_id}]
        for number, test in enumerate(self.tests, start=1):
            at = self.at + number
            if test.end == "never ran":
                continue
            lines.append({"at": at, "event": "start", "test": test.id})
            outcome = {"event": "outcome", "test": test.id}
            word = "failed" if test.failed else test.end
            lines.append(
                {
                    **outcome,
                    "at": at + 0.25,
                    "phase": "call",
                    "outcome": word,
                    "class": test.end if test.failed else None,
                    "message": test.message.partition("\n")[0],
                }
            )
            lines.append({**outcome, "at": at + 0.5, "phase": "teardown", "outcome": "passed"})
        return lines

    def _verdict(self) -> dict[str, Any]:
        counts = RunCounts(
            passed=self._count("passed"),
            failed=sum(test.failed for test in self.tests),
            not_run=self._count("not run"),
            skipped=self._count("skipped"),
            never_ran=self._count("never ran"),
        )
        classes = [VerdictClass(test.end) for test in self.tests if test.failed]
        finished = not counts.never_ran
        return {
            "schema_version": 1,
            "run_id": self.run_id,
            "verdict": str(verdict_of(classes, counts, finished=finished)),
            "finished": finished,
            "interrupted": None,
            "counts": counts_json(counts),
            "emulated": False,
            "engine": self.facts.get("engine", ""),
            "seconds": 12.5,
            "error": None,
            "failures": {
                test.id: {"class": test.end, "message": test.message}
                for test in self.tests
                if test.failed
            },
            "not_run": self._told("not run"),
            "skipped": self._told("skipped"),
            "never_started": list(self._told("never ran")),
        }

    def _count(self, end: str) -> int:
        return len(self._told(end))

    def _told(self, end: str) -> dict[str, str]:
        return {test.id: test.message for test in self.tests if test.end == end}


def _planned(test: T) -> dict[str, Any]:
    return {
        "id": test.id,
        "topology": test.topology,
        "stage": test.stage,
        "promise": test.promise,
        "marks": [test.kind],
        "parameters": {},
    }


def write_result(run_dir: Path, test: T, *, at: float) -> Path:
    """Write a passed test's result as Allure does, begun ``at`` (seconds), into a run."""
    folder = run_dir / "allure-results"
    folder.mkdir(exist_ok=True)
    full_name, name = PlannedTest(test.id).allure_name
    result = {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{test.id} {at}")),
        "name": name,
        "fullName": full_name,
        "status": "passed",
        "start": round(1000 * at),
        "stop": round(1000 * at) + 250,
        "labels": [
            {"name": "dynamo_topology", "value": test.topology},
            {"name": "dynamo_stage", "value": test.stage},
        ],
    }
    file = folder / f"{result['uuid']}-result.json"
    file.write_text(json.dumps(result), encoding="utf-8")
    return file


def measure(name: str, value: float, **others: object) -> dict[str, object]:
    """Return a figure as ``measures.json`` holds it."""
    return {"name": name, "value": value, "unit": "s", "where": "agg", **others}


def known_issue(**changes: str) -> str:
    """Return an entry of ``known_issues.yaml`` for :data:`AGG`; an empty value leaves a key out."""
    entry = {
        "test": AGG.id,
        "topology": "agg",
        "message": "says nothing",
        "link": "https://issues.example.org/1",
        "owner": "the runtime team",
        "expires": "2026-12-31",
        **changes,
    }
    lines = [f'{name}: "{value}"' for name, value in entry.items() if value]
    return "- " + "\n  ".join(lines) + "\n"
