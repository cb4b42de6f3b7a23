"""A night that a pipeline submits: its exit code, its deadline, its end, what is published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from ci.nights import Night
from ci.submit_nightly import job_of
from harness.deadline import Deadline, wait_until

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(__file__).parent / "local_sbatch"

ENDS_IN_ORDER = (
    'trap \'mkdir -p "$NIGHT" && cp "$FACTS" "$NIGHT/nightly.json"; exit 14\' TERM; '
    "while :; do sleep 0.02; done"
)
"""A batch script that archives a night when it is asked to end."""
ARCHIVES = (
    'mkdir -p "$NIGHT" && cp "$FACTS" "$NIGHT/nightly.json" && echo "# PASS" >"$NIGHT/summary.md"'
)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline's job, in a folder of its own, before a Slurm of scripts."""

    folder: Path

    def start(
        self, *words: str, batch: str = "", verdict: int | None = 0, **variables: str
    ) -> subprocess.Popen[str]:
        """Submit a batch script, a piece of shell, whose night has the exit code ``verdict``."""
        night = Night(self.archive / "20261128T010203-4711", "4711", 0, (), 0.0, verdict)
        facts = {name: value for name, value in asdict(night).items() if name != "folder"}
        (self.folder / "facts.json").write_text(json.dumps(facts))
        told = {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "LOCAL_SLURM": str(self.folder),
            "NIGHTLY_ARCHIVE": str(self.archive),
            "NIGHT": str(night.folder),
            "FACTS": str(self.folder / "facts.json"),
            "BATCH": batch,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "ci.submit_nightly", "--publish", self.published, *words],
            cwd=ROOT,
            env={**os.environ, **told, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def submit(
        self, *words: str, batch: str = "", verdict: int | None = 0, **variables: str
    ) -> tuple[int, str]:
        """Submit, wait for the end; return exit code and output."""
        process = self.start(*words, batch=batch, verdict=verdict, **variables)
        said, _ = process.communicate(timeout=30)
        return process.returncode, said

    @property
    def archive(self) -> Path:
        """Where the nights are."""
        return self.folder / "archive"

    @property
    def published(self) -> Path:
        """Where it publishes."""
        return self.folder / "published"

    @property
    def submitted(self) -> str:
        """The words and the variables that sbatch was given, one a line."""
        return (self.folder / "submitted").read_text()

    def wait_submitted(self) -> None:
        """Wait until the job runs."""
        job = self.folder / "job"
        assert wait_until(lambda: job.exists() and bool(job.read_text()), Deadline.after(10))


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A pipeline that has not begun."""
    return Pipeline(tmp_path)


def test_the_job_s_id_is_found_among_other_words() -> None:
    said = "sbatch: Priority is low today\n4711;east\nsbatch: error: node down\n"

    assert job_of(said) == ("4711", ["sbatch: Priority is low today", "sbatch: error: node down"])
    assert job_of("sbatch: error: no\n") == ("", ["sbatch: error: no"])


@pytest.mark.parametrize("code", [0, 1, 11, 14])
def test_the_verdict_s_exit_code_is_passed_on(pipeline: Pipeline, code: int) -> None:
    assert pipeline.submit(batch=f"{ARCHIVES}; exit {code}", verdict=code)[0] == code


@pytest.mark.parametrize(
    ("slurm_s", "code"),
    [
        pytest.param(0, 14, id="nothing done"),
        pytest.param(1, 14, id="a dead node looks like FAIL"),
        pytest.param(137, 14, id="killed"),
        pytest.param(12, 12, id="the batch script's own word"),
        pytest.param(15, 15, id="no checkout"),
    ],
)
def test_a_code_that_is_no_verdict_s_does_not_pass_for_one(
    pipeline: Pipeline, slurm_s: int, code: int
) -> None:
    assert pipeline.submit(batch=f"exit {slurm_s}")[0] == code
    assert pipeline.submit(batch=f"{ARCHIVES}; exit {slurm_s}", verdict=None)[0] == code


def test_the_night_of_this_job_is_published_and_its_summary_shown(pipeline: Pipeline) -> None:
    page = pipeline.folder / "page.md"
    page.write_text("before\n")
    pipeline.published.mkdir()
    (pipeline.published / "report.html").write_text("yesterday's")
    pipeline.submit("--summary", str(page), batch=ARCHIVES)

    assert {each.name for each in pipeline.published.iterdir()} == {"nightly.json", "summary.md"}
    assert page.read_text() == "before\n# PASS\n"


def test_a_job_that_left_no_night_is_no_pass(pipeline: Pipeline) -> None:
    code, said = pipeline.submit(batch="exit 0")

    assert code == 14
    assert "job 4711 left no night in" in said


def test_yesterday_s_night_is_not_published_for_a_job_that_left_none(pipeline: Pipeline) -> None:
    """Also where Slurm has begun to count its jobs anew."""
    yesterday = Night(pipeline.archive / "20261127T010203-4711", "4711", 0, (), 0.0, 0)
    yesterday.folder.mkdir(parents=True)
    yesterday.write()
    pipeline.published.mkdir()
    (pipeline.published / "verdict.json").write_text("yesterday's")
    code, said = pipeline.submit(batch="exit 15")

    assert code == 15
    assert "left no night" in said
    assert list(pipeline.published.iterdir()) == []


def test_a_refused_submission_proves_nothing(pipeline: Pipeline) -> None:
    code, said = pipeline.submit(REFUSED="invalid partition specified: none")

    assert code == 14
    assert "invalid partition specified" in said
    assert "job (none) left no night" in said


def test_a_job_that_misses_the_deadline_is_asked_to_end_and_published(pipeline: Pipeline) -> None:
    code, said = pipeline.submit("--deadline-h", "0.0003", batch=ENDS_IN_ORDER)

    assert code == 14
    assert "job 4711: not ended within 0.0003 h" in said
    assert (pipeline.published / "nightly.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_pipeline_asks_the_job_to_end(
    pipeline: Pipeline, number: signal.Signals
) -> None:
    process = pipeline.start(batch=ENDS_IN_ORDER)
    pipeline.wait_submitted()
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    night = pipeline.archive / "20261128T010203-4711" / "nightly.json"

    assert process.returncode == 128 + number
    assert f"job 4711: stopped by {number.name}" in said
    assert wait_until(night.exists, Deadline.after(10))


def test_sbatch_s_options_stand_before_the_script_and_the_night_s_behind(
    pipeline: Pipeline,
) -> None:
    words = ("--sbatch", "--nodes=4 --comment='a b'", "--", "--keep", "7", "--", "-k", "x y")
    pipeline.submit(*words, batch=ARCHIVES)

    line = pipeline.submitted.splitlines()[0]
    assert line.endswith("--nodes=4 --comment=a b ci/nightly.sbatch --keep 7 -- -k x y")


def test_a_pipeline_s_own_variables_do_not_reach_the_job(pipeline: Pipeline) -> None:
    pipeline.submit(
        batch=ARCHIVES,
        IMAGE="/images/x.sqsh",
        GITHUB_ENV="planted-1",
        CI_JOB_URL="planted-2",
        ACTIONS_CACHE_URL="planted-3",
    )

    assert "planted" not in pipeline.submitted
    assert "IMAGE=/images/x.sqsh" in pipeline.submitted.splitlines()
