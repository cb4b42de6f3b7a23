"""Whatever ends pytest, nothing of its run stays on any node, and nothing of anybody else goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.harness.broken.kills import Owned, owned, stranger_on
from tests.harness.broken.world import SuiteRun, World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

BUDGET_S = 20.0
"""Of the drain; the emulated worker needs 6 s of it, 5 of them are Dynamo's grace period."""

KILL_WAIT_S = 30.0
"""Slurm's default: the time from its SIGTERM to its SIGKILL when a job ends."""

STEPD_RETRY_S = 90.0
"""A slurmstepd that cannot tell slurmctld of its step's end waits 60 s before it tries again."""

ALL = "registration or streaming or shutdown"


def _loading(run: SuiteRun) -> None:
    run.wait_for_log("logs/agg/agg-0.*.log", "Loading weights")


def _serving(run: SuiteRun) -> None:
    run.wait_for_event("workers ready")


def _stopping(run: SuiteRun) -> None:
    run.wait_for_log("logs/agg/agg-0.*.log", "Received shutdown signal")


MOMENTS: dict[str, tuple[Callable[[SuiteRun], None], str]] = {
    "load": (_loading, "20"),
    "serve": (_serving, "1"),
    "stop": (_stopping, "1"),
}


def _start(world: World, moment: str, before: Sequence[str] = ()) -> tuple[SuiteRun, Owned]:
    wait, load_s = MOMENTS[moment]
    budget_s = f"{BUDGET_S:g}"
    run = world.start_suite(
        "-k", ALL, before=before, STOP_TIMEOUT_S=budget_s, EMULATED_TRTLLM_LOAD_S=load_s
    )
    wait(run)
    return run, owned(run)


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_nothing_is_left_when_pytest_and_its_job_end(world: World, moment: str) -> None:
    """SIGKILL to pytest, whose end ends the job: Slurm's SIGTERM is what the guards get."""
    run, owner = _start(world, moment)
    with stranger_on(world, "node2"):
        owner.signal(world, "KILL")

        owner.wait_clean(world, KILL_WAIT_S)
    run.wait()


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_nothing_is_left_when_pytest_ends_and_the_job_goes_on(world: World, moment: str) -> None:
    """SIGKILL to pytest in a shell of the allocation: steps are stopped through Slurm."""
    with world.shell() as shell:
        run, owner = _start(world, moment, before=shell.before)
        with stranger_on(world, "node3"):
            owner.signal(world, "KILL")

            owner.wait_clean(world, BUDGET_S)
        assert "end of input" in _guards_log(run.run_dir)
        assert world.jobs() == [owner.job]
        shell.leave()
        run.wait()


def test_nothing_is_left_when_its_sruns_die_with_pytest(world: World) -> None:
    """SIGKILL to pytest and all its sruns, as at the end of a step around them; the job goes on.

    The guards' input does not end then: the one on pytest's node sees that its pid is gone.
    """
    with world.shell() as shell:
        run, owner = _start(world, "serve", before=shell.before)
        owner.kill_with_sruns(world)

        owner.wait_clean(world, BUDGET_S)
        assert f"pid {owner.pid} is gone" in _guards_log(run.run_dir)
        shell.leave()
        run.wait()


def test_nothing_is_left_on_any_node_while_slurmctld_is_down(world: World) -> None:
    """SIGKILL to pytest while Slurm cannot be asked: every guard cleans its own node.

    The steps stay in Slurm's list for a while: its daemons tell it of their end once a minute.
    """
    with world.shell() as shell:
        run, owner = _start(world, "serve", before=shell.before)
        world.slurmctld("stop")
        try:
            owner.signal(world, "KILL")
            owner.wait_clean(world, BUDGET_S, without_slurm=True)
        finally:
            world.slurmctld("start")
        shell.leave()
        run.wait()

    owner.wait_clean(world, STEPD_RETRY_S)
    world.wait_no_job(STEPD_RETRY_S)
    assert "Slurm does not answer: asked the tasks" in _guards_log(run.run_dir)


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_nothing_is_left_when_pytest_is_asked_to_end(world: World, signal: str) -> None:
    """Ctrl-C and SIGTERM end the run in order; the guards have nothing to do."""
    run, owner = _start(world, "serve")
    owner.signal(world, signal)
    run.wait()

    owner.wait_clean(world, 0)
    assert "acting" not in _guards_log(run.run_dir)


@pytest.mark.parametrize("moment", ["load", "serve"])
def test_nothing_is_left_when_the_job_is_cancelled(world: World, moment: str) -> None:
    """Scancel of the job."""
    run, owner = _start(world, moment)
    world.on_node("login", "scancel", owner.job)

    owner.wait_clean(world, KILL_WAIT_S)
    run.wait()


def test_nothing_is_left_at_the_end_of_the_walltime(world: World) -> None:
    """A limit of one minute, met while the worker loads."""
    run = world.start_suite(
        "-k", ALL, options=("--time", "1"), EMULATED_TRTLLM_LOAD_S="300", STOP_TIMEOUT_S="20"
    )
    owner = owned(run)
    run.wait()

    owner.wait_clean(world, KILL_WAIT_S)
    assert "acting" in _guards_log(run.run_dir)


def _guards_log(run_dir: Path) -> str:
    logs = sorted((run_dir / "logs").glob("guard*"))
    return "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)
