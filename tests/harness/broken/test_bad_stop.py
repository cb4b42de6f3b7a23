"""Workers that stop badly: how they ended and what they left is named, and nobody else's is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.deadline import Deadline, wait_until
from tests.harness.broken.world import SuiteRun, World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

AGG = ("-k", "shutdown and agg and not replicas")
"""16 ranks, four a node, that share experts through files: rank 9 is the second on node3."""
REPLICA = ("-k", "shutdown and replicas")
"""One worker of 4 ranks on node1, rank k on GPU k."""
EXITS = "test_worker_steps_exit_zero_on_sigterm[agg-replicas]"
NO_PROCESS = "test_no_process_is_left_on_any_node[agg-replicas]"
NO_FILE = "test_no_shared_memory_file_is_left[agg]"
MEMORY_BACK = "test_gpu_memory_is_back_on_every_gpu[agg-replicas]"
PREFLIGHT = "test_nodes_hold_nothing_of_an_earlier_deployment"

THEIR_FILE = "moe_shared_l0_lr0_all"
STRANGER = """
import fcntl, json, os, signal, sys
file = open("/dev/shm/" + sys.argv[1], "w")
gpu = json.load(open("/run/emulated-gpu/gpus.json"))["gpus"][3]
held = open(f"/run/emulated-gpu/holders/{os.getpid()}-0.json", "w")
fcntl.flock(held, fcntl.LOCK_EX)
fact = {"gpu_uuid": gpu["uuid"], "pid": os.getpid(), "process_name": "stranger", "memory_mib": 512}
json.dump(fact, held)
held.flush()
signal.pause()
"""


@contextmanager
def stranger(world: World, node: str) -> Iterator[str]:
    """Have somebody else hold a moe_* file and 512 MiB of GPU 3; give the pid, as on the node.

    At the end both are still there, or the run has touched what is not its own.
    """
    process = world.start_on_node(node, "python3", "-I", "-c", STRANGER, THEIR_FILE)
    try:
        apps = wait_until(lambda: world.gpu_processes(node, "stranger"), Deadline.after(20))
        assert apps
        yield apps[0]
        assert world.gpu_processes(node, "stranger") == apps
        assert THEIR_FILE in world.shm_files(node)
    finally:
        process.kill()
        process.wait(10)
        world.on_node(node, "rm", "-f", f"/dev/shm/{THEIR_FILE}")


@contextmanager
def cleaned_after(world: World, node: str) -> Iterator[None]:
    """Take away what a run left on a node: helpers of ranks, memory that the driver keeps."""
    try:
        yield
    finally:
        world.end_processes(node, "rank helper")
        world.reset_gpus(node)


def used_mib(run: SuiteRun) -> list[int]:
    """Return GPU memory in use on all nodes, in each snapshot after the stop, in MiB."""
    snapshots = [json.loads(path.read_text()) for path in run.snapshots("after")]
    return [
        sum(gpu["memory_used_mib"] for node in nodes for gpu in node["gpus"]) for nodes in snapshots
    ]


def test_shared_memory_files_of_one_rank_are_named_and_swept(world: World) -> None:
    """Rank 9 ends with 0 and leaves its files: LEAK on node3; somebody else's there stays."""
    run = world.start_suite(*AGG, EMULATED_TRTLLM_STOP="9=keep-shm")
    run.wait_for_event("workers ready")
    with stranger(world, "node3"):
        ended = run.end()
        left = world.shm_files("node3")

    assert ended.verdict["verdict"] == "LEAK"
    assert ended.failed == [NO_FILE]
    assert re.search(r"node3: /dev/shm/moe_shared_\S+_agg-0_l57_lr1_all", ended.output)
    assert "no live process holds it" in ended.output
    assert THEIR_FILE not in ended.output
    assert left == [THEIR_FILE]


def test_gpu_memory_that_stays_is_named_with_what_is_known_of_its_holder(world: World) -> None:
    """Rank 0's stays in the driver, those of 1 and 2 in children: LEAK, three GPUs, a process.

    The child of rank 1 has its environment and is named with step and rank; that of rank 2 has
    only what it holds. Somebody else's memory on node2, taken meanwhile, is no leak.
    """
    faults = "0=slow-gpu:90,1=keep-gpu,2=keep-gpu-unmarked"
    with cleaned_after(world, "node1"):
        run = world.start_suite(*REPLICA, EMULATED_TRTLLM_STOP=faults)
        run.wait_for_event("workers ready")
        with stranger(world, "node2"):
            ended = run.end()
        helpers = world.on_node("node1", "ps", "-eo", "comm").splitlines().count("rank helper")

    assert ended.verdict["verdict"] == "LEAK"
    assert ended.failed == [NO_PROCESS, MEMORY_BACK]
    assert helpers == 1, "the one that is known as the run's is ended, the other is anybody's"
    for uuid in world.gpu_uuids("node1")[:3]:
        assert re.search(rf"node1: GPU \d \({uuid}\) .*\b1\d{{5}} MiB", ended.output)
    assert re.search(r"node1: process \d+ \(rank helper, .* step \d+, rank 1 ", ended.output)
    assert world.gpu_uuids("node1")[3] not in ended.output
    assert not set(world.gpu_uuids("node2")) & set(ended.output.split())


def test_gpu_memory_that_comes_back_late_is_waited_for(world: World) -> None:
    """The driver has it back 4 s after the ranks' end: PASS, and the seconds are measured."""
    run = world.start_suite(*REPLICA, EMULATED_TRTLLM_STOP="slow-gpu:4")
    ended = run.end()

    assert ended.verdict["verdict"] == "PASS"
    first, *_, last = used_mib(run)
    assert first > 4 * 100_000
    assert last == 0
    measures = json.loads((run.run_dir / "measures.json").read_text(encoding="utf-8"))
    [back_s] = [each["value"] for each in measures if each["name"] == "GPU memory back after"]
    assert 2 < back_s < 15


def test_exit_code_of_one_rank_is_named(world: World) -> None:
    """Rank 2 ends with 3: FAIL of the one test about exit codes, which names rank and code."""
    ended = world.run_suite(*REPLICA, EMULATED_TRTLLM_STOP="2=exit:3")

    assert ended.verdict["verdict"] == "FAIL"
    assert ended.failed == [EXITS]
    assert "rank 2 on node1: exit code 3" in ended.output


def test_rank_that_hangs_at_the_end_is_killed_when_time_is_up(world: World) -> None:
    """Rank 2 does not give back its engine: FAIL, escalation is told, nothing is left."""
    run = world.start_suite(*REPLICA, EMULATED_TRTLLM_STOP="2=hang", STOP_TIMEOUT_S="10")
    ended = run.end()

    assert ended.verdict["verdict"] == "FAIL"
    assert ended.failed == [EXITS]
    assert "only when killed, its budget of 10 s was over" in ended.output
    assert "SIGKILL" in ended.output
    assert used_mib(run)[-1] == 0


def test_file_that_a_live_stranger_holds_is_refused_and_left_alone(world: World) -> None:
    """A moe_* file that a process of node3 holds: INFRA, with file, holder and the way out."""
    with stranger(world, "node3") as pid:
        ended = world.run_suite("-k", "preflight or registration")

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == [PREFLIGHT]
    assert f"node3: /dev/shm/{THEIR_FILE}" in ended.output
    assert f"held by pid {pid} " in ended.output
    assert ended.nothing_deployed


def test_slurmctld_restarted_under_a_deployment_fails_nothing(world: World) -> None:
    """slurmctld is restarted while a worker serves and is to be stopped: PASS."""
    run = world.start_suite("-k", "(shutdown or registration) and replicas")
    run.wait_for_event("workers ready")
    world.slurmctld("restart")
    ended = run.end()

    assert ended.verdict["verdict"] == "PASS", ended.output


WAIT_UNTIL_AWAY = """
touch /tmp/here
while scontrol ping | grep -q UP; do :; done
rm /tmp/here
exec "$@"
"""


def test_slurmctld_that_is_away_for_longer_than_slurm_tries_is_waited_for(world: World) -> None:
    """It is away when the run asks its first questions, until squeue itself gives up: PASS."""
    run = world.start_suite("-k", "preflight", before=("bash", "-c", WAIT_UNTIL_AWAY, "bash"))
    here = ("find", "/tmp", "-maxdepth", "1", "-name", "here")
    assert wait_until(lambda: world.on_node("node1", *here), Deadline.after(60))
    world.slurmctld("stop")
    try:
        with pytest.raises(AssertionError, match="Unable to contact slurm controller"):
            world.on_node("node2", "squeue", "--steps")
    finally:
        world.slurmctld("start")
    ended = run.end()

    assert ended.verdict["verdict"] == "PASS", ended.output
