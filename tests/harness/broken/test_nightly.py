"""The nightly job as Slurm runs it: four nights side by side, each on a node of its own.

One is submitted as a pipeline does it and passes; one has a rank that fails; one is asked to end
in the middle; one is requeued. They mostly wait, so all four together take little more than one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ci.nights import Night, read_nights
from harness.deadline import Deadline, wait_until
from harness.errors import VerdictClass
from harness.settings import PROJECT_ROOT
from harness.verdict import EXIT_CODES
from tests.harness.broken.kills import Owned, owner_of
from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

START_S = 60.0
NIGHT_S = 120.0
WIDE_EP = "/mnt/engine_configs/deepseek_r1/simple/agg_wide_ep.yaml"  # has files in /dev/shm
READY = '"workers ready"'
SMALL = ("--", "tests/agg", "--max-replicas", "1", "-k")
REGISTRATION = (*SMALL, "agg-replicas and registration")
CYCLES = (*SMALL, "agg-replicas and cycles", "--cycles", "50")  # does not end by itself in time


@dataclass(frozen=True)
class Nightly:
    """A nightly job on one node, with an archive of its own."""

    world: World
    node: str
    archive: Path

    def sbatch(self, words: Sequence[str] = REGISTRATION, **variables: str) -> str:
        """Submit it with more variables; return its id."""
        sbatch = self._submission("sbatch", "--parsable", *self.options, variables=variables)
        return self.world.on_node("login", *sbatch, "ci/nightly.sbatch", *words).strip()

    def pipeline(self, published: Path) -> Any:
        """Submit it as a pipeline does; return the process, which ends with the job."""
        command = (sys.executable, "-m", "ci.submit_nightly", "--publish", str(published))
        options = ("--sbatch", " ".join(self.options), "--summary", f"{published}-page.md")
        submission = self._submission(*command, *options, "--", *REGISTRATION, variables={})
        return self.world.start_on_node("login", *submission)

    @property
    def options(self) -> tuple[str, ...]:
        """sbatch's."""
        log = f"--output={self.archive}.log"
        return ("--nodes=1", f"--nodelist={self.node}", log)

    def _submission(self, *words: str, variables: Mapping[str, str]) -> list[str]:
        told = {
            "NIGHTLY_ARCHIVE": str(self.archive),
            "EMULATED_TRTLLM_LOAD_S": "1",
            "REPLICA_ENGINE_CONFIG": WIDE_EP,
            **variables,
        }
        return ["env", *(f"{name}={value}" for name, value in told.items()), *words]

    @property
    def nights(self) -> list[Night]:
        """All starts."""
        return read_nights(self.archive)

    @property
    def verdict(self) -> dict[str, Any]:
        """The verdict of the newest start."""
        return read_json(self.nights[-1].folder / "verdict.json")

    def owner(self, *, ready: bool = False) -> Owned:
        """Wait until the first run is about to deploy, or has workers that are ready."""

        def is_there() -> bool:
            folders = [night.folder for night in self.nights]
            events = "".join(read_text(each / "events.jsonl") for each in folders)
            return any(
                (each / "owner").exists() and (not ready or READY in events) for each in folders
            )

        assert wait_until(is_there, Deadline.after(START_S)), f"nothing deployed: {self.archive}"
        return owner_of(self.nights[0].folder)

    def wait_state(self, job: str, state: str, *, within_s: float = NIGHT_S) -> None:
        """Wait until Slurm tells this state of the job."""
        found = wait_until(lambda: self.job(job)["JobState"] == state, Deadline.after(within_s))
        assert found, f"not {state} after {within_s:g} s: {self.job(job)}"

    def exit_code(self, job: str) -> int:
        """Wait for the end of the job; return the exit code that Slurm has for it."""
        over = wait_until(
            lambda: self.job(job)["JobState"] in {"COMPLETED", "FAILED"}, Deadline.after(NIGHT_S)
        )
        assert over, f"not over after {NIGHT_S:g} s: {self.job(job)}"
        code, _, signal = self.job(job)["ExitCode"].partition(":")
        assert signal == "0"
        return int(code)

    def job(self, job: str) -> dict[str, str]:
        """Return what Slurm says of a job."""
        told = self.world.on_node("login", "scontrol", "show", "job", job)
        return dict(re.findall(r"(\w+)=(\S+)", told))


def read_text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def read_json(file: Path) -> dict[str, Any]:
    content = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@dataclass(frozen=True, repr=False)  # hundreds of files: a failed test would show them all
class Four:
    """The four nights, all over: each with the exit code of its job, and what was seen."""

    passed: Nightly
    passed_code: int
    published: Path
    broken: Nightly
    broken_code: int
    ended: Nightly
    ended_code: int
    ended_owner: Owned
    files_before: list[str]
    again: Nightly
    again_code: int
    planted: str


@pytest.fixture(scope="module")
def four(world: World) -> Iterator[Four]:
    """Four nights on the four nodes of the world."""
    with TemporaryDirectory(prefix="nightly-", dir=PROJECT_ROOT / "runs") as folder:
        try:
            yield _four(world, Path(folder))
        finally:
            for job in world.jobs():  # of nights that did not end, all on the world's own testbed
                world.on_node("login", "scancel", job)
            world.wait_no_job(NIGHT_S)


def _four(world: World, folder: Path) -> Four:
    passed, broken, ended, again = (
        Nightly(world, f"node{number}", folder / f"night{number}") for number in (1, 2, 3, 4)
    )
    published = folder / "published"
    pipeline = passed.pipeline(published)
    broken_job = broken.sbatch(EMULATED_TRTLLM_FAULT="2=fail-init")
    ended_job = ended.sbatch(CYCLES)
    again_job = again.sbatch()

    first = again.owner()
    world.on_node("login", "scontrol", "requeue", again_job)

    owner = ended.owner(ready=True)
    files_before = world.shm_files(ended.node)
    world.on_node("login", "scancel", "--batch", "--signal=TERM", ended_job)

    again.wait_state(again_job, "PENDING")
    # As left by a start whose guards were killed too; with it there no deployment is begun.
    planted = f"moe_shared_{first.run_id}_agg_left_l0_lr0_all"
    world.on_node(again.node, "touch", f"/dev/shm/{planted}")
    # Slurm waits two minutes before a requeued job is started again.
    world.on_node("login", "scontrol", "update", f"JobId={again_job}", "StartTime=now")

    return Four(
        passed,
        pipeline.wait(NIGHT_S),
        published,
        broken,
        broken.exit_code(broken_job),
        ended,
        ended.exit_code(ended_job),
        owner,
        files_before,
        again,
        again.exit_code(again_job),
        planted,
    )


def test_a_night_that_passes_ends_with_0_and_archives_all(four: Four) -> None:
    [night] = four.passed.nights

    assert (four.passed_code, night.exit_code) == (0, 0)
    assert four.passed.verdict["verdict"] == "PASS"
    assert four.passed.verdict["emulated"] is True
    for name in ("report.html", "junit.xml", "summary.md", "allure-results", "logs", "tests.json"):
        assert (night.folder / name).exists(), name


def test_what_is_published_is_the_archive_s(four: Four) -> None:
    [night] = four.passed.nights

    names = {each.name for each in four.published.iterdir()}
    wanted = {"report.html", "summary.md", "verdict.json", "gate.json", "junit.xml", "nightly.json"}
    assert wanted <= names
    for name in names:
        assert (four.published / name).read_bytes() == (night.folder / name).read_bytes()
    assert read_text(Path(f"{four.published}-page.md")) == read_text(night.folder / "summary.md")


def test_a_night_with_a_broken_rank_ends_with_the_code_of_its_class(four: Four) -> None:
    [night] = four.broken.nights

    assert four.broken.verdict["verdict"] == "FAIL"
    assert four.broken_code == night.exit_code == EXIT_CODES[VerdictClass.FAIL]
    assert "invalid device ordinal" in (night.folder / "verdict.json").read_text()
    assert (night.folder / "report.html").exists()


def test_the_summary_of_a_broken_night_has_the_command_that_repeats_the_failure(four: Four) -> None:
    page = read_text(four.broken.nights[0].folder / "summary.md")

    [command] = re.findall(r"```bash\s+(.*?)\s+```", page, re.DOTALL)
    assert "pytest -m 'agg or disagg' --nodes 1 tests/agg --max-replicas 1 -k " in command
    assert "TestRegistration and test_deployment_becomes_ready[agg-replicas]" in command


def test_every_start_of_a_night_is_in_the_history(four: Four) -> None:
    lines = read_text(four.again.archive / "history.jsonl").splitlines()
    kept = [(each["directory"], each["verdict"]) for each in map(json.loads, lines)]

    assert [folder for folder, _ in kept] == [str(night.folder) for night in four.again.nights]
    assert kept[1][1] == "PASS"
    assert "Since the last run" in read_text(four.again.nights[1].folder / "summary.md")


def test_a_night_that_is_asked_to_end_says_where_it_was_interrupted(four: Four) -> None:
    [night] = four.ended.nights
    verdict = four.ended.verdict

    assert (verdict["verdict"], verdict["finished"]) == ("INVALID", False)
    assert "test_cycle_stops_in_order" in verdict["interrupted"]
    assert night.stopped == "stopped by SIGTERM"
    assert four.ended_code == night.exit_code == EXIT_CODES[VerdictClass.INVALID]
    assert (night.folder / "report.html").exists()


def test_a_night_that_is_asked_to_end_leaves_nothing(four: Four, world: World) -> None:
    mine = f"moe_shared_{four.ended_owner.run_id}_"

    assert any(name.startswith(mine) for name in four.files_before)
    assert four.ended_owner.left(world) == []


def test_a_requeued_night_runs_again_and_judges_its_first_start(four: Four) -> None:
    first, second = four.again.nights

    assert (first.restart, read_json(first.folder / "verdict.json")["finished"]) == (0, False)
    assert first.exit_code in {EXIT_CODES[VerdictClass.INFRA], EXIT_CODES[VerdictClass.INVALID]}
    assert (second.restart, second.exit_code) == (1, 0)
    assert four.again_code == 0


def test_a_requeued_night_clears_away_what_its_first_start_left(four: Four, world: World) -> None:
    """A file of an earlier deployment on a node would have failed the second start (INFRA)."""
    assert four.planted not in world.shm_files(four.again.node)
    assert f"ended: nothing of {four.planted.split('_')[2]} is left" in read_text(
        Path(f"{four.again.archive}.log")
    )
