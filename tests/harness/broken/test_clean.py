"""``python -m harness clean`` after the worst: pytest killed, and its guards before it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.deadline import Deadline, wait_until
from tests.harness.broken.kills import owned, stranger_on
from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]


def _clean(world: World, *options: str) -> subprocess.CompletedProcess[str]:
    return world.try_on_node("login", sys.executable, "-m", "harness", "clean", *options)


def _listed(world: World) -> list[str]:
    """Return the ids of the steps that Slurm lists."""
    return [step["step_id"] for step in json.loads(world.status())["steps"]]


def test_clean_lists_and_ends_what_a_run_without_guards_left(world: World) -> None:
    """A run that is alive is left alone; one that is dead is listed, and ended on demand."""
    with world.shell() as shell:
        run = world.start_suite("-k", "registration or streaming", before=shell.before)
        run.wait_for_event("workers ready")
        owner = owned(run)
        owner.signal(world, "STOP")  # alive, and posts no guards anew for its next deployment
        job = ("--job", owner.job, "--runs", str(run.run_dir.parent))
        with stranger_on(world, "node3"):
            alive = _clean(world, *job)
            guard = world.step_of("guard")
            world.on_node("login", "scancel", "--signal=KILL", guard)
            assert wait_until(lambda: guard not in _listed(world), Deadline.after(20))
            without_guards = _clean(world, *job)
            owner.signal(world, "KILL")
            listed = _clean(world, *job, "--dry-run")
            there = owner.left(world)
            ended = _clean(world, *job, "--drain-s", "20")
            left = owner.left(world)
            again = _clean(world, *job)
        shell.leave()
        run.wait()

    assert (alive.returncode, without_guards.returncode) == (0, 0)
    assert "its guards are posted" in alive.stdout
    assert "its pytest lives (node1:" in without_guards.stdout
    assert listed.returncode == 1
    assert f"qualify-{owner.run_id}-agg-agg-0" in listed.stdout
    assert f"moe_shared_{owner.run_id}_agg_agg-0_l*_lr*_all 232 files" in listed.stdout
    assert "moe_stranger" not in listed.stdout
    assert there
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert left == []
    assert (again.returncode, "nothing of any run" in again.stdout) == (0, True)


def test_clean_outside_an_allocation_says_how_to_name_one(world: World) -> None:
    done = _clean(world)

    assert done.returncode == 1
    assert "not inside a Slurm allocation" in done.stderr
    assert "--job JOBID" in done.stderr
