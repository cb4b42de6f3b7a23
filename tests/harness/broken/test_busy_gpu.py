"""A GPU that somebody uses before the start: refused, with node, GPU, memory and holder."""

import json
import time

import pytest

from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

HOLD = """
import fcntl, json, os, signal
gpu = json.load(open("/run/emulated-gpu/gpus.json"))["gpus"][1]
held = open(f"/run/emulated-gpu/holders/stranger-{os.getpid()}.json", "w")
fcntl.flock(held, fcntl.LOCK_EX)
fact = {"gpu_uuid": gpu["uuid"], "pid": os.getpid(), "process_name": "stranger", "memory_mib": 4096}
json.dump(fact, held)
held.flush()
signal.pause()
"""


def test_busy_gpu_is_named_with_its_holder_and_left_alone(world: World) -> None:
    """4096 MiB in use on node2 before the start: INFRA, and the stranger lives on."""
    stranger = world.start_on_node("node2", "python3", "-I", "-c", HOLD)
    try:
        pids = _holders(world)
        ended = world.run_suite("-k", "preflight or registration")
        alive = stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(10)

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == ["test_nodes_hold_nothing_of_an_earlier_deployment"]
    assert "node2: GPU 1" in ended.output
    assert "4096 MiB" in ended.output
    assert all(str(pid) in ended.output for pid in pids)
    assert ended.nothing_deployed
    assert alive


def _holders(world: World) -> list[str]:
    """Wait until the driver shows the stranger's memory, and return the pids it names."""
    query = ("nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader")
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s:
        if pids := world.on_node("node2", *query).split():
            return pids
    raise AssertionError(f"nvidia-smi shows no process: {json.dumps(query)}")
