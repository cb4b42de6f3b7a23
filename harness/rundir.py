"""The run directory: one folder for all that one pytest invocation wrote.

::

    runs/<run id>/
        settings.json  plan.txt  plan.json  tests.json      what was asked for
        events.jsonl                                         lifecycle, with wall-clock times
        logs/<deployment>/<step>.{out,err}.log               one pair a step, rank labels
        logs/<deployment>/{etcd,nats}.log                    the services of the head node
        snapshots/<moment>.json                              node probes
        records.jsonl                                        every request with its stream
        measures.json  memory/  cycles/                      figures, GPU memory coming back, cycles
        journal.jsonl                                        each test as it starts and ends
        junit.xml  allure-results/  verdict.json             what came out
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

RUN_VARIABLE = "QUALIFY_RUN"
"""Variable with the run id in every step's environment: marks processes without other ties."""


RECORDS_FILE = "records.jsonl"
"""Name of the file with all requests, in a run directory."""


def new_run_id(job_id: str) -> str:
    """Return an id unique over runs: UTC time, job id, four random hex digits; fits any name."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    return f"{stamp}-{job_id or 'nojob'}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class RunDirectory:
    """Paths inside one run directory; the folder exists once :meth:`create` returned."""

    path: Path
    run_id: str

    @classmethod
    def create(cls, path: Path, run_id: str) -> RunDirectory:
        """Make the folder and point ``latest`` beside it to it."""
        (path / "logs").mkdir(parents=True, exist_ok=True)
        (path / "snapshots").mkdir(exist_ok=True)
        _point(path.parent / "latest", path)
        return cls(path, run_id)

    @property
    def records(self) -> Path:
        """JSON lines, one request each."""
        return self.path / RECORDS_FILE

    @property
    def allure_results(self) -> Path:
        """Folder of Allure's result files."""
        return self.path / "allure-results"

    @property
    def junit(self) -> Path:
        """The JUnit file."""
        return self.path / "junit.xml"

    def logs(self, deployment: str) -> Path:
        """Return the log folder of a deployment, made if missing."""
        folder = self.path / "logs" / deployment
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write_json(self, name: str, value: object) -> Path:
        """Write ``value`` as indented JSON, whole or not at all."""
        return self.write_text(name, json.dumps(value, indent=2, default=str) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file, whole or not at all."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
        return target

    def event(self, what: str, facts: Mapping[str, Any] | None = None) -> None:
        """Append one lifecycle event with the wall-clock time (seconds since the epoch)."""
        line = json.dumps({"at": time.time(), "event": what, **(facts or {})}, default=str)
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")


def _point(link: Path, target: Path) -> None:
    """Make ``link`` a relative symbolic link to ``target``; only an older link is replaced."""
    if link == target or (link.exists() and not link.is_symlink()):
        return
    draft = link.with_name(f".latest.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target.name)
    draft.replace(link)
