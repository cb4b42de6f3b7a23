"""The suite on a testbed that is there for it alone: up, run, report, down."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ci.stages import Done, Stages, Stopped
from reports.cache import cache_folder

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "runs"
STATE = "/var/lib/dynamo-testbed-make"
"""State folder of the verbs' own testbed, so that one a developer has up is left alone."""

UP_TIMEOUT_S = 180.0
RUN_TIMEOUT_S = 1800.0
REPORT_TIMEOUT_S = 600.0
HISTORY_TIMEOUT_S = 60.0
DOWN_TIMEOUT_S = 90.0


class Busy(Exception):
    """Another verb is at work on this machine."""


@dataclass(frozen=True)
class Job:
    """What is run: the tests of a mark, on so many nodes, with more words for pytest."""

    mark: str
    nodes: int
    more: tuple[str, ...] = ()


AGG = Job("agg", 4)
DISAGG = Job("disagg", 8)


def soak(cycles: int) -> Job:
    """Return the job that deploys and stops one single-node worker with online EPLB many times."""
    config = "/mnt/engine_configs/deepseek_r1/simple/agg_wide_ep.yaml"
    shape = ("--max-replicas", "1", "--replica-engine-config", config)
    return Job("agg", 1, ("-k", "agg-replicas and cycles", "--cycles", str(cycles), *shape))


@dataclass(frozen=True)
class SuiteRun:
    """How the suite's run ended, and where its files are."""

    run_dir: Path
    exit_code: int = 0
    up_failed: bool = False
    stopped: Stopped | None = None
    down_failed: bool = False


def new_run_dir(purpose: str) -> Path:
    """Return a folder under ``runs/`` that does not exist yet; ``purpose`` is in its name."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    return RUNS / f"{stamp}-{purpose}-{os.getpid()}"


def run_suite(job: Job, stages: Stages, *, run_dir: Path, say: Callable[[str], None]) -> SuiteRun:
    """Bring the testbed up, run the suite in an allocation, render, take it down.

    The testbed goes down in any case. Raises :class:`Busy` when another verb has it.
    """
    with alone():
        testbed = Testbed(stages, say)
        try:
            done = _run(job, testbed, run_dir)
        except Stopped as stopped:
            done = SuiteRun(run_dir, stopped.exit_code, stopped=stopped)
        return replace(done, down_failed=not testbed.down())


def _run(job: Job, testbed: Testbed, run_dir: Path) -> SuiteRun:
    code = testbed.up()
    if code != 0:
        return SuiteRun(run_dir, code, up_failed=True)
    done = testbed.pytest(job, "--run-dir", run_dir)
    _render(testbed.stages, run_dir)
    return SuiteRun(run_dir, done.exit_code)


class Testbed:
    """The verbs' own testbed, by its command line."""

    def __init__(self, stages: Stages, say: Callable[[str], None]) -> None:
        self.stages = stages
        self._say = say
        self._env = {"TESTBED_STATE": os.environ.get("TESTBED_STATE", STATE)}

    def up(self, *, nodes: int | None = None) -> int:
        """Return 0 when the testbed is up; without a number it has as many nodes as any."""
        self._say("testbed up")
        size = () if nodes is None else ("--nodes", str(nodes))
        return self._part("up", *size, timeout_s=UP_TIMEOUT_S).exit_code

    def pytest(
        self,
        job: Job,
        *more: str | Path,
        timeout_s: float = RUN_TIMEOUT_S,
        output: Path | None = None,
    ) -> Done:
        """Run the tests of a job in an allocation; what pytest prints goes to a file, if given."""
        nodes = str(job.nodes)
        words = ["pytest", "-m", job.mark, "--nodes", nodes, *job.more, *more]
        if output is None:
            self._say(f"{' '.join(map(str, words))}, in an allocation of the testbed")
        return self._part("run", "--nodes", nodes, "--", *words, timeout_s=timeout_s, output=output)

    def down(self) -> bool:
        """Take the testbed down, whoever asks to stop meanwhile; tell whether it went."""
        command = [sys.executable, "-m", "testbed", "down"]
        done = self.stages.clean_up("down", command, timeout_s=DOWN_TIMEOUT_S, env=self._env)
        return done.exit_code == 0

    def _part(self, *words: str | Path, timeout_s: float, output: Path | None = None) -> Done:
        command = [sys.executable, "-m", "testbed", *words]
        return self.stages.run(
            str(words[0]), command, timeout_s=timeout_s, env=self._env, output=output
        )


def _render(stages: Stages, run_dir: Path) -> None:
    """Render the report beside the runs before it, and add the run to them.

    Without a report the run keeps its results, and the renderer has said why.
    """
    if run_dir.is_dir():
        python: list[str | Path] = [sys.executable, "-m"]
        history = ("--history", RUNS / "history.jsonl")
        report = [*python, "reports", run_dir, *history, "--trends", RUNS / "trends"]
        stages.run("report", report, timeout_s=REPORT_TIMEOUT_S)
        add = [*python, "harness", "history", "add", run_dir, *history]
        stages.run("history", add, timeout_s=HISTORY_TIMEOUT_S)


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lock of the verbs' testbed; raise :class:`Busy` when somebody else does."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "testbed.lock"
    with path.open("a+", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            held.seek(0)
            raise Busy(
                f"process {held.read().strip() or '?'} runs a verb on the testbed; {path}"
            ) from taken
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        yield
