"""The guard's program, run for real on this machine against real processes and files."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import Deadline, wait_until
from harness.guard.owner import this_process
from harness.guard.program.guard import Guard
from harness.guard.program.processes import Process, is_alive, send, stat_of, watched_owner
from harness.guard.step import BOOT, MODULES, PROGRAM, program_line
from harness.rundir import new_run_id

SHM = Path("/dev/shm")
WAITS = "import signal; print('ready', flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
PARENT = (
    "import os, subprocess, sys; child = dict(os.environ); del child['QUALIFY_RUN'];"
    f"sys.exit(subprocess.call([sys.executable, '-c', {WAITS!r}], env=child))"
)
END_S = 20.0


@dataclass
class Run:
    """A run of this test alone: its processes and files on this machine, and its guard."""

    run_id: str
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, code: str = WAITS, **variables: str) -> subprocess.Popen[str]:
        """Start a process with the run's mark, and wait until it is ready."""
        return self._start([sys.executable, "-c", code], {"QUALIFY_RUN": self.run_id, **variables})

    def stranger(self, **variables: str) -> subprocess.Popen[str]:
        """Start a process without the mark."""
        return self._start([sys.executable, "-c", WAITS], variables)

    def guard(self, *options: str, drain_s: float = 0.5) -> subprocess.Popen[str]:
        """Start the guard as its step does; the caller writes to its standard input."""
        words = [f"--run={self.run_id}", f"--drain-s={drain_s}", *options]
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", BOOT, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes.append(guard)
        assert guard.stdin is not None
        guard.stdin.write(program_line().decode())
        guard.stdin.flush()
        return guard

    def seen(self) -> list[Process]:
        """Return the run's processes as the guard's program sees them."""
        look = subprocess.run(
            [sys.executable, "-I", "-S", "-c", BOOT, "--look", f"--run={self.run_id}"],
            check=True,
            capture_output=True,
            input=program_line(),
            timeout=END_S,
        )
        out = look.stdout.decode()
        found = [json.loads(line) for line in out.splitlines()]
        names = Process._fields
        return [
            Process(**{name: each[name] for name in names})
            for each in found
            if each["kind"] == "process"
        ]

    def file(self, name: str = "moe_shared_{}_agg_agg-0_l3_lr0_all") -> Path:
        """Make a file of the run in /dev/shm."""
        path = SHM / name.format(self.run_id)
        path.write_bytes(b"experts")
        return path

    def _start(self, argv: list[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if name != "QUALIFY_RUN"}
        process = subprocess.Popen(
            argv, env={**clean, **variables}, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process


@contextmanager
def _run() -> Iterator[Run]:
    run = Run(new_run_id(f"t{secrets.token_hex(3)}"))
    try:
        yield run
    finally:
        for process in run.processes:
            process.kill()
            process.communicate(timeout=10)
        for path in SHM.glob(f"*{run.run_id}*"):
            path.unlink()


@pytest.fixture
def run() -> Iterator[Run]:
    """A run whose processes and files are gone after the test."""
    with _run() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Run]:
    """Another run, alive beside it."""
    with _run() as made:
        yield made


def _ends(guard: subprocess.Popen[str], last: str = "") -> list[dict[str, Any]]:
    """Send a last line, close the guard's input, and return what it said it did."""
    out, _ = guard.communicate(last, timeout=END_S)
    return [json.loads(line) for line in out.splitlines()]


def test_an_orderly_end_touches_nothing(run: Run) -> None:
    process, file = run.start(), run.file()
    guard = run.guard()

    assert _ends(guard, "done\n") == []
    assert guard.returncode == 0
    assert process.poll() is None
    assert file.exists()


def test_the_end_of_the_input_ends_the_runs_processes_and_removes_its_files(run: Run) -> None:
    process, deaf, file = run.start(), run.start(DEAF), run.file()
    guard = run.guard()
    said = _ends(guard)

    assert guard.returncode == 0
    assert (process.wait(5), deaf.wait(5)) == (-signal.SIGTERM, -signal.SIGKILL)
    assert not file.exists()
    assert said[0]["cause"] == "end of input"
    assert [each["pid"] for each in said if each["said"] == "killed"] == [deaf.pid]


def test_a_child_without_the_mark_is_the_runs_too(run: Run) -> None:
    parent = run.start(PARENT)
    [child] = [each for each in run.seen() if each.ppid == parent.pid]
    _ends(run.guard())

    assert not is_alive(child.pid, child.start)


def test_strangers_and_other_runs_are_left_alone(run: Run, other: Run) -> None:
    run.start()
    strangers = [run.stranger(), run.stranger(OTHER_QUALIFY_RUN=run.run_id), other.start()]
    files = [other.file(), run.file("moe_stranger_{}"), run.file("x_moe_shared_{}_l0_lr0_all")]
    _ends(run.guard())

    assert [each.poll() for each in strangers] == [None, None, None]
    assert all(file.exists() for file in files)


def test_a_link_under_the_runs_name_is_left_and_not_followed(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "of-somebody-else"
    target.write_text("kept")
    link = SHM / f"moe_shared_{run.run_id}_l0_lr0_all"
    link.symlink_to(target)
    _ends(run.guard())

    assert target.read_text() == "kept"
    assert link.is_symlink()


def test_a_file_that_a_stranger_holds_is_left_and_told(run: Run) -> None:
    file = run.file()
    with file.open("rb"):
        guard = run.guard()
        said = _ends(guard)

    assert file.exists()
    assert guard.returncode == 1
    assert [each["left"] for each in said if each["said"] == "files"] == [[file.name]]


def test_a_pid_that_was_given_to_another_process_is_not_signalled(run: Run) -> None:
    process = run.start()
    [seen] = run.seen()
    earlier = seen._replace(start=seen.start - 1)

    assert send(earlier, signal.SIGKILL) is False
    assert process.poll() is None
    assert send(seen, signal.SIGKILL) is True
    assert process.wait(5) == -signal.SIGKILL


def test_sigterm_leaves_less_than_kill_wait(run: Run) -> None:
    run.start(DEAF)
    guard = run.guard("--kill-wait-s=4", drain_s=100)
    wait_until(lambda: _listens(guard.pid), Deadline.after(END_S))
    guard.send_signal(signal.SIGTERM)
    assert guard.wait(END_S) == 0
    said = _ends(guard)

    assert said[0]["cause"] == "SIGTERM"
    assert said[0]["budget_s"] == pytest.approx(2, abs=0.2)


def test_hangups_and_interrupts_mean_nothing_to_the_guard(run: Run) -> None:
    guard = run.guard()
    wait_until(lambda: _listens(guard.pid), Deadline.after(END_S))
    for number in (signal.SIGHUP, signal.SIGINT):
        guard.send_signal(number)

    assert _ends(guard, "done\n") == []
    assert guard.returncode == 0


def test_a_pytest_that_is_gone_from_its_node_is_noticed_without_the_end_of_the_input(
    run: Run,
) -> None:
    owner = run.stranger()
    start = stat_of(owner.pid)[1]
    process = run.start()
    guard = run.guard(f"--owner={os.uname().nodename}:{owner.pid}:{start}")
    wait_until(lambda: _listens(guard.pid), Deadline.after(END_S))
    owner.kill()
    owner.wait(5)

    assert process.wait(END_S) == -signal.SIGTERM


@pytest.mark.parametrize("owner", ["", "elsewhere:1:1", "{host}:{pid}:1", "{host}:x:1"])
def test_an_owner_that_is_not_seen_from_here_is_not_watched(owner: str) -> None:
    text = owner.format(host=os.uname().nodename, pid=os.getpid())

    assert watched_owner(text) is None


def test_this_very_process_is_an_owner_that_is_seen() -> None:
    assert watched_owner(this_process()) is not None


def test_where_slurm_does_not_answer_the_workers_of_the_node_are_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers alone get SIGTERM: the services have to outlive them."""
    names = {"SLURM_STEP_ID": "3", "SLURM_JOB_NAME": f"qualify-{run.run_id}-agg-agg-0"}
    worker = run.start(**names)
    services = run.start(**{**names, "SLURM_JOB_NAME": f"qualify-{run.run_id}-agg-frontend"})
    monkeypatch.setattr(Guard, "say", lambda *_, **__: None)
    guard = Guard.__new__(Guard)
    guard.ask_here(run.seen())

    assert worker.wait(5) == -signal.SIGTERM
    assert services.poll() is None


@pytest.mark.parametrize(("again_s", "ended"), [(0.0, True), (1e9, False)])
def test_a_worker_that_had_only_just_begun_is_asked_once_more(
    run: Run, monkeypatch: pytest.MonkeyPatch, again_s: float, *, ended: bool
) -> None:
    """Slurm's signal is lost on a task that has not become its program yet."""
    names = {"SLURM_STEP_ID": "3", "SLURM_JOB_NAME": f"qualify-{run.run_id}-agg-agg-0"}
    worker = run.start(**names)
    services = run.start(**{**names, "SLURM_JOB_NAME": f"qualify-{run.run_id}-agg-frontend"})
    guard = _asked(monkeypatch, again_s=again_s)
    guard.ask_young(run.seen())

    assert (_ended(worker) == -signal.SIGTERM) is ended
    assert services.poll() is None
    assert (guard.ends_s < time.monotonic() + 5.0) is ended, "there is nothing to drain"


def test_a_worker_of_some_age_is_not_asked_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second SIGTERM may cut its drain short."""
    names = {"SLURM_STEP_ID": "3", "SLURM_JOB_NAME": f"qualify-{run.run_id}-agg-agg-0"}
    worker = run.start(**names)
    monkeypatch.setattr("harness.guard.program.guard.ticks_ago", lambda _: float("inf"))
    guard = _asked(monkeypatch, again_s=0.0)
    guard.ask_young(run.seen())

    assert _ended(worker) is None
    assert guard.ends_s == float("inf")


def _asked(monkeypatch: pytest.MonkeyPatch, *, again_s: float) -> Guard:
    """Return a guard that knows that Slurm has asked the steps to stop."""
    monkeypatch.setattr(Guard, "say", lambda *_, **__: None)
    guard = Guard.__new__(Guard)
    guard.asked, guard.again_s, guard.ends_s = True, again_s, float("inf")
    return guard


def _ended(process: subprocess.Popen[str]) -> int | None:
    """Return the exit code of a process that ends within half a second."""
    try:
        return process.wait(0.5)
    except subprocess.TimeoutExpired:
        return None


def test_the_program_is_small_enough_for_one_pipe() -> None:
    """It is written before srun has begun to read: the pipe has to hold it."""
    assert len(program_line()) < 60_000


def test_every_module_of_the_program_is_sent() -> None:
    assert {path.stem for path in PROGRAM.glob("*.py")} - {"__init__"} == set(MODULES)


def _listens(pid: int) -> bool:
    """Whether a guard has set its handlers: SIGTERM is then among the caught signals."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    [caught] = [int(line.split()[1], 16) for line in lines if line.startswith("SigCgt")]
    return bool(caught >> (signal.SIGTERM - 1) & 1)
