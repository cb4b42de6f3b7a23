"""`run` is to the caller what the command is: streams, exit code, signals, and nothing left."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from testbed.cluster.api import Cluster
from testbed.cluster.paths import PROJECT_ROOT
from testbed.cluster.procs import wait_for
from tests.harness.testbed.kit import SMALL

pytestmark = pytest.mark.testbed
DEADLINE_S = 20
COUNT_SIGNALS = """
import signal, sys, time
count = 0
def handle(number, frame):
    global count
    count += 1
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, handle)
print("ready", flush=True)
until = time.monotonic() + 10
while count == 0 and time.monotonic() < until:
    time.sleep(0.02)
time.sleep(0.5)
sys.exit(40 + count)
"""


def _start(cluster: Cluster, *command: str, nodes: int = 1) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        cluster.run_command(command, nodes=nodes),
        env=cluster.environment(),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _no_job(cluster: Cluster) -> bool:
    return cluster.exec("login", ["squeue", "--noheader"]).stdout == ""


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
)
def test_the_exit_code_is_the_commands(cluster: Cluster, script: str, code: int) -> None:
    done = cluster.run(["sh", "-c", script])

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_command_that_is_not_there_ends_with_127_and_its_name(cluster: Cluster) -> None:
    done = cluster.run(["no-such-command"])

    assert done.returncode == 127
    assert "no-such-command" in done.stderr


def test_stdout_and_stderr_stay_apart_and_unchanged(cluster: Cluster) -> None:
    done = cluster.run(["sh", "-c", "printf 'out, no newline'; printf 'err\\n' >&2"])

    assert (done.stdout, done.stderr) == ("out, no newline", "err\n")


def test_standard_input_is_the_callers(cluster: Cluster) -> None:
    done = subprocess.run(
        cluster.run_command(["cat"]),
        env=cluster.environment(),
        cwd=PROJECT_ROOT,
        input="line\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.stdout == "line\n"


def test_the_command_finds_itself_on_the_first_node_of_an_allocation(cluster: Cluster) -> None:
    done = cluster.run(["sh", "-c", "hostname; pwd; env"], nodes=SMALL.nodes)
    host, folder, *variables = done.stdout.splitlines()

    assert (host, folder) == ("node1", str(PROJECT_ROOT))
    assert "SLURMD_NODENAME=node1" in variables
    assert "SLURM_JOB_NODELIST=node[1-2]" in variables
    assert "SLURM_CLUSTER_NAME=testbed" in variables
    assert any(line.startswith("SLURM_JOB_ID=") for line in variables)


def test_a_batch_job_is_submitted_from_the_login_host_for_as_many_nodes(cluster: Cluster) -> None:
    """In an allocation of all nodes it would wait for ever for the nodes of that allocation."""
    batch = ["sbatch", "--parsable", "--output=/dev/null", "--wrap", "exit 7"]
    done = cluster.run(batch, nodes=SMALL.nodes)
    assert (done.returncode, done.stderr) == (0, "")
    assert wait_for(lambda: _no_job(cluster), timeout_s=DEADLINE_S)
    job = cluster.exec("login", ["scontrol", "show", "job", done.stdout.strip()]).stdout

    assert f"NumNodes={SMALL.nodes}" in job
    assert "ExitCode=7:0" in job
    assert "AllocNode:Sid=login:" in job


def test_the_callers_environment_comes_along_but_for_another_slurm(cluster: Cluster) -> None:
    outer = {**os.environ, "MINE": "kept", "SLURM_JOB_ID": "999", "SLURM_NNODES": "77"}
    done = subprocess.run(
        cluster.run_command(["sh", "-c", "echo $MINE $SLURM_JOB_ID $SLURM_NNODES"]),
        env={**outer, "TESTBED_STATE": str(cluster.state.root)},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    mine, job, nodes = done.stdout.split()

    assert (mine, nodes) == ("kept", "1")
    assert job != "999"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command_once_and_its_end_is_waited_for(
    cluster: Cluster, number: signal.Signals
) -> None:
    process = _start(cluster, "python3", "-c", COUNT_SIGNALS)
    assert _read_line(process) == "ready"

    process.send_signal(number)
    assert process.wait(DEADLINE_S) == 41
    assert wait_for(lambda: _no_job(cluster), timeout_s=DEADLINE_S)


def test_killing_run_ends_the_command_and_the_allocation(cluster: Cluster) -> None:
    process = _start(cluster, "sh", "-c", "echo ready; sleep 60")
    assert _read_line(process) == "ready"

    process.kill()
    process.wait(DEADLINE_S)
    assert wait_for(lambda: _no_job(cluster), timeout_s=DEADLINE_S)
    left = cluster.exec("node1", ["ps", "-e", "-o", "args="]).stdout
    assert "sleep 60" not in left


def test_nodes_that_are_taken_are_named_with_their_holder(cluster: Cluster) -> None:
    process = _start(cluster, "sh", "-c", "echo ready; sleep 60", nodes=SMALL.nodes)
    assert _read_line(process) == "ready"

    began = time.monotonic()
    done = cluster.run(["true"], options=["--wait=1"])
    process.terminate()
    process.wait(DEADLINE_S)
    assert done.returncode == 125
    assert time.monotonic() - began < 10
    assert "(sh, running) holds node[1-2]" in done.stderr


def test_more_nodes_than_there_are_is_an_error_with_the_number(cluster: Cluster) -> None:
    done = cluster.run(["true"], nodes=3)

    assert done.returncode == 125
    assert "3 nodes were asked for, the testbed has 2" in done.stderr


def test_a_folder_that_nodes_do_not_see_is_named(cluster: Cluster, tmp_path: Path) -> None:
    done = subprocess.run(
        cluster.run_command(["true"]),
        env={**cluster.environment(), "PYTHONPATH": str(PROJECT_ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 125
    assert f"{tmp_path} is not seen on the nodes" in done.stderr


def test_run_on_a_testbed_that_is_down_says_so(tmp_path: Path) -> None:
    done = Cluster(tmp_path / "none").run(["true"])

    assert done.returncode == 125
    assert "python -m testbed up" in done.stderr


def test_a_process_that_left_its_parent_ends_with_its_step(cluster: Cluster) -> None:
    escape = "setsid sh -c 'sleep 4321 & sleep 4321' & sleep 0.2; pgrep -fc 'sleep 4321'"
    done = cluster.run(["srun", "sh", "-c", f"({escape})"])

    assert done.returncode == 0
    assert int(done.stdout) >= 2
    left = cluster.exec("node1", ["ps", "-e", "-o", "args="]).stdout
    assert "sleep 4321" not in left


def test_steps_and_exit_codes_are_told_truly_inside(cluster: Cluster) -> None:
    script = (
        "srun --job-name=mine sh -c 'squeue --steps --noheader --format=%i:%j; exit 3'; echo $?"
    )
    done = cluster.run(["sh", "-c", script])
    lines = done.stdout.split()

    assert lines[-1] == "3"
    assert any(line.endswith(".0:mine") for line in lines)
    assert any(line.endswith(".interactive:interactive") for line in lines)
