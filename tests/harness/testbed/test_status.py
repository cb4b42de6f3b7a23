"""`status` names what runs, with the numbers by which it can be found and killed."""

import json
import subprocess

import pytest

from testbed.cluster.api import Cluster
from testbed.cluster.paths import PROJECT_ROOT
from testbed.cluster.procs import read_process, wait_for
from tests.harness.testbed.kit import SMALL

pytestmark = pytest.mark.testbed
DEADLINE_S = 20


def test_status_names_every_task_with_node_rank_and_both_pids(cluster: Cluster) -> None:
    step = ["srun", "--nodes=2", "--ntasks-per-node=2", "sleep", "60"]
    process = subprocess.Popen(
        cluster.run_command(step, nodes=2), env=cluster.environment(), cwd=PROJECT_ROOT
    )

    def tasks() -> list[dict[str, object]]:
        steps = cluster.status()["steps"]
        return [task for step in steps if step["name"] == "sleep" for task in step["tasks"]]

    assert wait_for(lambda: len(tasks()) == 4, timeout_s=DEADLINE_S)
    found = tasks()
    process.terminate()
    process.wait(DEADLINE_S)
    assert [(task["rank"], task["node"]) for task in found] == [
        *((0, "node1"), (1, "node1"), (2, "node2"), (3, "node2"))
    ]
    assert all(task["inner_pid"] != task["pid"] for task in found)


def test_status_json_has_nodes_daemons_and_gpus(cluster: Cluster) -> None:
    done = subprocess.run(
        [*cluster.run_command([])[:3], "status", "--json"],
        env=cluster.environment(),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    facts = json.loads(done.stdout)

    assert done.returncode == 0
    assert (facts["up"], facts["problems"], facts["gpus_emulated"]) == (True, [], True)
    assert [node["name"] for node in facts["nodes"]] == list(SMALL.names)
    for node in facts["nodes"]:
        assert node["state"] == "idle"
        assert len(node["gpus"]) == SMALL.gpus_per_node
        slurmd = read_process(node["daemons"]["slurmd"])
        assert slurmd is not None
        assert slurmd.name == "slurmd"
