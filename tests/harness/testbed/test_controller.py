"""slurmctld can go and come back; what runs in jobs does not notice."""

import subprocess
import sys

import pytest

from testbed.cluster.api import Cluster
from testbed.cluster.paths import PROJECT_ROOT
from testbed.cluster.procs import wait_for
from tests.harness.testbed.kit import SMALL

pytestmark = pytest.mark.testbed
DEADLINE_S = 30


@pytest.fixture
def up(own_cluster: Cluster) -> Cluster:
    """A testbed that runs."""
    own_cluster.up(SMALL, log=lambda _: None)
    return own_cluster


def slurmctld(cluster: Cluster, action: str) -> None:
    """Call the verb."""
    subprocess.run(
        [sys.executable, "-m", "testbed", "slurmctld", action],
        env=cluster.environment(),
        cwd=PROJECT_ROOT,
        timeout=DEADLINE_S,
        check=True,
    )


def controller_pid(cluster: Cluster) -> int | None:
    """Return the pid of slurmctld, or None when it does not run."""
    daemon = cluster.tree().nodes["node1"].daemons.get("slurmctld")
    return daemon.pid if daemon else None


def test_a_step_goes_on_while_slurmctld_is_restarted(up: Cluster) -> None:
    until_told = "touch /tmp/runs; until [ -e /tmp/go ]; do sleep 0.05; done"
    job = subprocess.Popen(
        up.run_command(["srun", "bash", "-c", until_told]), env=up.environment(), cwd=PROJECT_ROOT
    )
    assert wait_for(lambda: _exists(up, "/tmp/runs"), timeout_s=DEADLINE_S)
    steps, old = up.status()["steps"], controller_pid(up)

    slurmctld(up, "restart")

    assert controller_pid(up) not in {None, old}
    assert up.status()["steps"] == steps
    assert up.status()["problems"] == []
    up.exec("node1", ["touch", "/tmp/go"])
    assert job.wait(DEADLINE_S) == 0


def test_slurmctld_that_was_stopped_is_a_problem_until_it_is_started(up: Cluster) -> None:
    slurmctld(up, "stop")
    assert controller_pid(up) is None
    assert up.tree().problems() == ["slurmctld of node1 is dead"]

    slurmctld(up, "start")
    assert up.status()["problems"] == []


def test_slurmctld_that_runs_is_not_started_again(up: Cluster) -> None:
    before = controller_pid(up)

    slurmctld(up, "start")

    assert controller_pid(up) == before


def _exists(cluster: Cluster, path: str) -> bool:
    return cluster.exec("node1", ["test", "-e", path]).returncode == 0
