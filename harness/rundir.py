"""The run directory: one folder for all that one pytest invocation wrote.

::

    runs/<run id>/
        settings.json  plan.txt  plan.json  tests.json      what was asked for
        events.jsonl                                         lifecycle, with wall-clock times
        logs/<deployment>/<step>.{out,err}.log               one pair a step, rank labels
        logs/<deployment>/{etcd,nats}.log                    the services of the head node
        snapshots/<moment>.json                              node probes
        records.jsonl                                        every request with its stream
        measures.json  load/  memory/  cycles/               figures, load, GPU memory, cycles
        journal.jsonl                                        each test as it starts and ends
        junit.xml  allure-results/  verdict.json             what came out

What is written here holds no secret: :mod:`harness.secrets`.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness.secrets import FileBusy, Redactor, redact_file

RUN_VARIABLE = "QUALIFY_RUN"
"""Variable with the run id in every step's environment: marks processes without other ties."""


RECORDS_FILE = "records.jsonl"
"""Name of the file with all requests, in a run directory."""

JUNIT_FILE = "junit.xml"

WRITTEN_CLEAN = frozenset(
    {
        "allure-results",
        "events.jsonl",
        "journal.jsonl",
        "judgements.jsonl",
        RECORDS_FILE,
        "report.html",
        "snapshots",
    }
)
"""Large files and folders in a run directory whose writers take out secrets as they write."""


def new_run_id(job_id: str) -> str:
    """Return an id unique over runs: UTC time, job id, four random hex digits; fits any name."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    return f"{stamp}-{job_id or 'nojob'}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class TakenOut:
    """Files of a run directory out of which secrets were taken, and those that were written then.

    The ``busy`` ones had secrets too, and are as they were.
    """

    root: Path
    changed: tuple[Path, ...]
    busy: tuple[Path, ...]

    def names(self, files: Iterable[Path]) -> list[str]:
        """Return files by their path in the run directory."""
        return [file.relative_to(self.root).as_posix() for file in files]


@dataclass(frozen=True)
class RunDirectory:
    """Paths inside one run directory; the folder exists once :meth:`create` returned."""

    path: Path
    run_id: str
    redactor: Redactor = field(default_factory=lambda: Redactor(os.environ), compare=False)
    """Takes the secrets of this process's environment out of all that is written."""

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
        return self.path / JUNIT_FILE

    def logs(self, deployment: str) -> Path:
        """Return the log folder of a deployment, made if missing."""
        folder = self.path / "logs" / deployment
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write_json(self, name: str, value: object) -> Path:
        """Write ``value`` as indented JSON, whole or not at all, without secrets."""
        return self._write(name, json.dumps(self._told(value), indent=2) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file, whole or not at all, without secrets."""
        return self._write(name, self.redactor.text(text))

    def _told(self, value: object) -> Any:
        """Return a value as JSON, without secrets; refuses what is no JSON."""
        return self.redactor.json(json.loads(json.dumps(value, default=str)))

    def _write(self, name: str, text: str) -> Path:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        # What a message has of bytes that are no text is spelled out, rather than nothing written.
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        draft.replace(target)
        return target

    def take_out_secrets(self, *, even_busy: bool = False) -> TakenOut:
        """Redact what others have written here: logs, JUnit's file, results of other programs.

        Only once nobody writes there any more. A file that somebody does write is left alone,
        unless a secret in it is worse than a line that is lost: ``even_busy``.
        """
        changed, busy = [], []
        for file in self._of_others():
            try:
                if redact_file(file, self.redactor, even_busy=even_busy):
                    changed.append(file)
            except FileBusy:
                busy.append(file)
        return TakenOut(self.path, tuple(changed), tuple(busy))

    def _of_others(self) -> Iterator[Path]:
        """Yield the files that were not written without secrets from the start."""
        for file in sorted(self.path.rglob("*")):
            top = file.relative_to(self.path).parts[0]
            if top not in WRITTEN_CLEAN and file.is_file() and not file.is_symlink():
                yield file

    def event(self, what: str, facts: Mapping[str, Any] | None = None) -> None:
        """Append one lifecycle event with the wall-clock time (seconds since the epoch)."""
        line = json.dumps(self._told({"at": time.time(), "event": what, **(facts or {})}))
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
