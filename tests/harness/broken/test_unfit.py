"""Nodes, container or address that cannot carry the plan: named before anything is deployed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.deadline import Deadline, wait_until
from tests.harness.broken.world import Ended, World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SECONDS = 20.0
SELECTED = "preflight or registration"
REASON = "Kill task failed on rank 3"
CHANGE = """
import json, sys
path = "/run/emulated-gpu/gpus.json"
state = json.load(open(path))
state["gpus"][1].update(json.loads(sys.argv[1]))
json.dump(state, open(path, "w"))
"""
OTHER_DOMAIN = "11111111-2222-3333-4444-555555555555"


def _refused(ended: Ended, verdict: str, test: str) -> str:
    """Return the message of the one failure, after which nothing was deployed."""
    assert ended.verdict["verdict"] == verdict
    assert ended.failed == [test]
    assert ended.nothing_deployed
    assert ended.verdict["seconds"] < SECONDS
    [failure] = ended.verdict["failures"].values()
    return str(failure["message"])


@contextmanager
def _gpu(world: World, node: str, **fields: str) -> Iterator[None]:
    """Let the driver of a node say something else of its second GPU."""
    before = world.on_node(node, "cat", "/run/emulated-gpu/gpus.json")
    gpu = json.loads(before)["gpus"][1]
    world.on_node(node, "python3", "-I", "-c", CHANGE, json.dumps(fields))
    try:
        yield
    finally:
        old = json.dumps({name: gpu[name] for name in fields})
        world.on_node(node, "python3", "-I", "-c", CHANGE, old)


@pytest.fixture
def resumed(world: World) -> Iterator[None]:
    """node3 is made fit again afterwards."""
    yield
    world.on_node("login", "scontrol", "update", "nodename=node3", "state=resume")
    idle = ("sinfo", "--noheader", "--nodes=node3", "--format=%T")
    assert wait_until(lambda: world.on_node("login", *idle).strip() == "idle", Deadline.after(30.0))


@pytest.mark.usefixtures("resumed")
def test_drained_node_is_named_with_slurms_reason(world: World) -> None:
    """node3 is drained while the job holds it: INFRA, in Slurm's words."""
    drain = f'scontrol update nodename=node3 state=drain reason="{REASON}" && exec "$@"'
    ended = world.run_suite("-k", SELECTED, before=("bash", "-c", drain, "bash"))

    message = _refused(ended, "INFRA", "test_slurm_holds_every_node_for_fit")
    assert "node3 is drained (state ALLOCATED+DRAIN; reason: " + REASON in message


@pytest.mark.parametrize(
    ("fields", "test", "words"),
    [
        (
            {"cluster_uuid": OTHER_DOMAIN},
            "test_gpus_of_each_worker_are_in_one_nvlink_domain",
            f"node3: clusterUuid {OTHER_DOMAIN}",
        ),
        (
            {"remap_pending": "Yes"},
            "test_every_gpu_is_healthy",
            "row remapping is pending",
        ),
    ],
    ids=["domain", "remap"],
)
def test_unfit_gpu_is_named(world: World, fields: dict[str, str], test: str, words: str) -> None:
    """The driver of node3 says of one GPU what no worker can live with: INFRA."""
    with _gpu(world, "node3", **fields):
        ended = world.run_suite("-k", SELECTED)

    message = _refused(ended, "INFRA", test)
    assert words in message
    assert "node3" in message


def test_shared_memory_too_small_for_the_experts_is_named(world: World) -> None:
    """node2 has 512 KiB of /dev/shm, and the experts take 928: INFRA, before a bus error."""
    world.on_node("node2", "mount", "-o", "remount,size=512k", "/dev/shm")
    try:
        ended = world.run_suite("-k", SELECTED)
    finally:
        world.on_node("node2", "mount", "-o", "remount,size=4096m", "/dev/shm")

    test = "test_shared_memory_holds_the_experts_where_they_are_balanced_online"
    message = _refused(ended, "INFRA", test)
    assert "node2: /dev/shm has 512 KiB free, the experts of the model take 928 KiB" in message


def test_missing_shard_is_named(world: World) -> None:
    """The index names a file of weights that is not there: CONFIG, with the file."""
    find = ("find", "/srv/hf/hub", "-name", "model-00002-of-00002.safetensors")
    shards = world.on_node("node1", *find).split()
    for shard in shards:
        world.on_node("node1", "mv", shard, f"{shard}.away")
    try:
        ended = world.run_suite("-k", SELECTED)
    finally:
        for shard in shards:
            world.on_node("node1", "mv", f"{shard}.away", shard)

    message = _refused(ended, "CONFIG", "test_model_is_whole_and_readable_on_every_node")
    assert "node[1-4]: model-00002-of-00002.safetensors: No such file or directory" in message


@pytest.mark.parametrize("address", ["127.0.0.1", "10.77.0.2"])
def test_wrong_address_of_the_head_node_is_refused(world: World, address: str) -> None:
    """HEAD_NODE_IP is loopback, or another node's: CONFIG, with the head node's own."""
    ended = world.run_suite("-k", SELECTED, HEAD_NODE_IP=address)

    test = "test_every_node_reaches_the_head_node_at_its_address"
    message = _refused(ended, "CONFIG", test)
    assert address in message
    assert "its addresses are 10.77.0.1" in message


def test_injected_transport_is_told_and_the_deployment_still_tried(world: World) -> None:
    """UCX_TLS=tcp of the shell arrives in the containers: CONFIG, beside all that works."""
    ended = world.run_suite("-k", "preflight", UCX_TLS="tcp")

    assert ended.verdict["verdict"] == "CONFIG"
    assert ended.failed == ["test_no_injected_variable_spoils_transports"]
    assert "UCX_TLS=tcp in the containers of node[1-4]" in ended.output
    assert ended.verdict["counts"]["not_run"] == 0
