"""The guard as pytest holds it, on a Slurm of scripts: posted, dismissed, and left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.guard.guard import RunGuard
from harness.guard.owner import lives_here, read_owner
from harness.guard.step import guard_options, guard_step, program_line
from harness.rundir import RunDirectory, new_run_id
from harness.slurm.client import Slurm
from tests.harness.pure.step_kit import RUNS, LocalSlurm, local_slurm

END_S = 20.0


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    """A Slurm whose steps are processes of this machine."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    with local_slurm(folder) as made:
        yield made


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run directory."""
    run_id = new_run_id("7")
    return RunDirectory.create(tmp_path / run_id, run_id)


@pytest.fixture
def guard(
    slurm: LocalSlurm, directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunGuard]:
    """The guard of that run; let go at the end, whatever the test did."""
    monkeypatch.setattr(Slurm, "config_seconds", lambda *_: 30)
    made = RunGuard(slurm.client, directory, nodes=["node1"], drain_s=1, account="")
    yield made
    made.dismiss()


def _steps(slurm: LocalSlurm) -> list[str]:
    return [row.name for row in slurm.client.steps()]


def _task(number: str, name: str) -> str:
    """Return a task that notes its name in $ORDER when it is sent a signal, and ends."""
    return f"trap 'echo {name} >>\"$ORDER\"; exit 0' {number}; {RUNS}"


def _posted(slurm: LocalSlurm, guard: RunGuard) -> None:
    guard.post()
    assert wait_until(lambda: guard.name in _steps(slurm), Deadline.after(END_S))


def test_a_posted_guard_says_in_the_run_directory_who_owns_the_run(
    slurm: LocalSlurm, guard: RunGuard, directory: RunDirectory
) -> None:
    _posted(slurm, guard)
    run_id, owner = read_owner(directory.path)

    assert run_id == directory.run_id
    assert owner.split(":")[:2] == [os.uname().nodename, str(os.getpid())]
    assert lives_here(owner)


def test_a_guard_is_posted_once(slurm: LocalSlurm, guard: RunGuard) -> None:
    _posted(slurm, guard)
    guard.post()

    assert _steps(slurm) == [guard.name]


def test_a_dismissed_guard_is_gone_and_has_done_nothing(
    slurm: LocalSlurm, guard: RunGuard, directory: RunDirectory
) -> None:
    _posted(slurm, guard)
    guard.dismiss()

    assert _steps(slurm) == []
    assert (directory.path / "logs" / "guard.out.log").read_text(encoding="utf-8") == ""


def test_a_guard_acts_when_it_is_dismissed_while_a_step_of_the_run_is_left(
    slurm: LocalSlurm, guard: RunGuard, directory: RunDirectory
) -> None:
    name = f"qualify-{directory.run_id}-agg-agg-0"
    step = slurm.launch(name, RUNS, QUALIFY_RUN=directory.run_id)
    _posted(slurm, guard)
    guard.dismiss()

    assert wait_until(lambda: step.exit_code is not None, Deadline.after(END_S))
    assert '"said": "acting"' in (directory.path / "logs" / "guard.out.log").read_text()


def test_no_program_that_is_started_later_keeps_the_guards_input_open(
    slurm: LocalSlurm, guard: RunGuard
) -> None:
    """Its end is how the guards learn that pytest is gone."""
    _posted(slurm, guard)
    other = subprocess.run(
        [sys.executable, "-c", "import os; print(*os.listdir('/proc/self/fd'))"],
        check=True,
        capture_output=True,
        text=True,
        timeout=END_S,
    )

    assert not os.get_inheritable(guard._writer)
    assert str(guard._writer) not in other.stdout.split()[3:]


def test_the_head_nodes_guard_stops_the_workers_before_the_services(
    slurm: LocalSlurm, directory: RunDirectory, tmp_path: Path
) -> None:
    order, run_id = tmp_path / "order", directory.run_id
    names = {"QUALIFY_RUN": run_id, "ORDER": str(order)}
    slurm.launch(f"qualify-{run_id}-agg-frontend", _task("USR1", "services"), **names)
    slurm.launch(f"qualify-{run_id}-agg-agg-0", _task("TERM", "worker"), **names)
    stranger = slurm.launch("qualify-another-run", _task("TERM", "stranger"))
    options = guard_options(
        run_id,
        job_id="7",
        head=os.uname().nodename,
        drain_s=20,
        kill_wait_s=30,
        programs=slurm.client.node_programs,
    )
    spec = guard_step(
        f"qualify-{run_id}-clean-guard",
        (*options, "--now"),
        job_id="7",
        nodes=["node1"],
        account="",
    )
    done = slurm.client.run_step(spec, timeout_s=60, stdin=program_line().decode())

    assert done.returncode == 0, done.stdout
    assert order.read_text(encoding="utf-8").split() == ["worker", "services"]
    assert stranger.exit_code is None
