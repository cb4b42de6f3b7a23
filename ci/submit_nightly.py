"""What a CI runner calls: submit ci/nightly.sbatch, wait for its end, publish what it archived.

It runs on a host that knows sbatch and sees the archive, and ends with the job's exit code, which
is the verdict's. When the pipeline is cancelled, or the deadline is over, the job is asked to end
in order.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ci.nights import NIGHT_FILE, SUMMARY_FILE, Night, read_nights
from ci.own_code import with_own_code
from ci.slurm_jobs import wait_gone
from ci.stages import Stages, Stopped
from harness.errors import VerdictClass
from harness.verdict import EXIT_CODES

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "ci/nightly.sbatch"
INVALID = EXIT_CODES[VerdictClass.INVALID]

OF_NO_VERDICT = frozenset(EXIT_CODES.values()) - {0, 1}
"""Codes by which a batch script may say, without a night, what kept it from making one."""

PARSABLE = re.compile(r"(?P<job>\d+)(;\S+)?")
"""What `sbatch --parsable` prints: the job's id, and the cluster where Slurm has several."""

PUBLISHED = (
    "report.html", SUMMARY_FILE, "verdict.json", "gate.json", "junit.xml", "results.csv",
    "metrics.csv", "matrix.json", "measures.json", "facts.json", NIGHT_FILE,
)  # fmt: skip
"""What is copied for the job's page. The whole run stays in the archive."""

CI_VARIABLES = ("ACTIONS_", "CI_", "GITHUB_", "GITLAB_", "RUNNER_")
"""Beginnings of the variables that a CI sets for itself, some of them secret: none of them is for
the job, to which sbatch would pass them."""

DEADLINE_H = 24.0
WIND_DOWN_S = 900.0
"""For the job to end after it was asked to: the suite's winding down, and a report."""

SCANCEL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Asked:
    """What the pipeline asks for."""

    archive: Path
    publish: Path | None
    summary: Path | None
    deadline_s: float
    sbatch: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class End:
    """How the submission ended: the job's id, empty when refused, and sbatch's exit code.

    ``late`` and ``stopped`` say that the end of the job was not waited for.
    """

    job: str = ""
    code: int = 0
    late: bool = False
    stopped: Stopped | None = None


def main(argv: list[str]) -> int:
    """Return the exit code of the verdict; 128 + n when stopped by signal n; 14 without a night."""
    asked = arguments(argv, os.environ)
    for name in [name for name in os.environ if name.startswith(CI_VARIABLES)]:
        del os.environ[name]
    os.environ["NIGHTLY_ARCHIVE"] = str(asked.archive)
    if asked.publish:
        clear(asked.publish)
    os.chdir(ROOT)  # where a batch script starts, and finds the checkout
    before = {night.folder for night in read_nights(asked.archive)}
    end = submit(asked, Stages())
    mine = [
        night for night in read_nights(asked.archive)
        if night.job == end.job and night.folder not in before
    ]  # fmt: skip
    night = mine[-1] if mine else None
    if night:
        publish(night, asked)
    else:
        _say(f"job {end.job or '(none)'} left no night in {asked.archive}")
    code = exit_code_of(end, night)
    _say(f"exit code {code}")
    return code


def exit_code_of(end: End, night: Night | None) -> int:
    """Return the verdict's code where there is one; no other may look like that of PASS or FAIL.

    A job that Slurm ended (a dead node, a refused submission) has a code of Slurm's, often 1.
    """
    if end.stopped is not None or end.late:
        return INVALID if end.stopped is None else end.stopped.exit_code
    if night is not None and night.exit_code is not None:
        return night.exit_code
    return end.code if end.code in OF_NO_VERDICT else INVALID


def arguments(argv: Sequence[str], environ: Mapping[str, str]) -> Asked:
    """Read the options; what follows ``--`` goes to ci/nightly.sbatch."""
    parser = argparse.ArgumentParser(
        prog="python -m ci.submit_nightly", description=f"Submit {SCRIPT}, and wait for its end."
    )
    parser.add_argument(
        "--archive", type=Path, metavar="DIR",
        default=environ.get("NIGHTLY_ARCHIVE") or "runs/nightly",
        help="the night's (default: NIGHTLY_ARCHIVE, or runs/nightly)",
    )  # fmt: skip
    parser.add_argument("--publish", type=Path, metavar="DIR", help="copy the night's files here")
    parser.add_argument(
        "--summary", type=Path, metavar="FILE", help="append the night's summary to this file"
    )
    parser.add_argument(
        "--deadline-h", type=float, default=DEADLINE_H, metavar="H",
        help="hours to wait for nodes and for the night (default: 24)",
    )  # fmt: skip
    parser.add_argument(
        "--sbatch", default=environ.get("NIGHTLY_SBATCH", ""), metavar="WORDS",
        help="options of sbatch, in one word (default: NIGHTLY_SBATCH)",
    )  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="WORD", help=f"for {SCRIPT}, after --")
    told = parser.parse_args(argv)
    return Asked(
        (ROOT / told.archive).absolute(),
        told.publish and told.publish.absolute(),
        told.summary and told.summary.absolute(),
        told.deadline_h * 3600,
        tuple(shlex.split(told.sbatch)),
        tuple(told.words),
    )


def submit(asked: Asked, stages: Stages) -> End:
    """Submit the job and wait for its end; ask it to end when that is waited for no more."""
    command = ["sbatch", "--parsable", "--wait", *asked.sbatch, SCRIPT, *asked.words]
    _say(shlex.join(command))
    with tempfile.TemporaryDirectory(prefix="submit-") as folder:
        output = Path(folder) / "output"
        end = _wait(command, stages, output=output, deadline_s=asked.deadline_s)
        job, words = job_of(output.read_text(encoding="utf-8") if output.exists() else "")
    for line in words:
        print(line, flush=True)
    if job and (end.late or end.stopped):
        why = end.stopped or f"not ended within {asked.deadline_s / 3600:g} h"
        _say(f"job {job}: {why}: it is asked to end in order")
        _ask_to_end(job, stages)
    if job and end.late:
        wait_gone(job, timeout_s=WIND_DOWN_S)
    return replace(end, job=job)


def _wait(command: Sequence[str], stages: Stages, *, output: Path, deadline_s: float) -> End:
    try:
        done = stages.run("sbatch", command, timeout_s=deadline_s, output=output)
    except Stopped as stopped:
        return End(stopped=stopped)
    return End(code=done.exit_code, late=done.seconds >= deadline_s)


def job_of(said: str) -> tuple[str, list[str]]:
    """Return the job id in what `sbatch --parsable` said, empty if there is none, and the rest."""
    lines = said.splitlines()
    ids = [match["job"] for line in lines if (match := PARSABLE.fullmatch(line))]
    return ids[0] if ids else "", [line for line in lines if not PARSABLE.fullmatch(line)]


def _ask_to_end(job: str, stages: Stages) -> None:
    """Drop the job if it still waits for nodes, else have its script end what it runs."""
    for words in (["--state=PENDING"], ["--batch", "--signal=TERM"]):
        stages.clean_up("scancel", ["scancel", *words, job], timeout_s=SCANCEL_TIMEOUT_S)


def clear(published: Path) -> None:
    """Take away what was published of an earlier night; a folder's other files are not ours."""
    for name in PUBLISHED:
        (published / name).unlink(missing_ok=True)


def publish(night: Night, asked: Asked) -> None:
    """Copy what a reader of the pipeline wants first."""
    if asked.publish:
        asked.publish.mkdir(parents=True, exist_ok=True)
        for file in (night.folder / name for name in PUBLISHED):
            if file.is_file():
                shutil.copy2(file, asked.publish)
    summary = night.folder / SUMMARY_FILE
    if asked.summary and summary.is_file():
        with asked.summary.open("a", encoding="utf-8") as page:
            page.write(summary.read_text(encoding="utf-8"))
    _say(f"archive: {night.folder}")


def _say(line: str) -> None:
    print(f"submit: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(with_own_code(main, sys.argv[1:]))
