"""Nodes, container or address that cannot carry the plan: named before anything is deployed."""

import pytest

from tests.harness.broken.world import Ended, World
from tests.harness.faults.world import FaultWorld

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SECONDS = 20.0
SELECTED = "preflight or registration"


def _refused(ended: Ended, verdict: str, test: str) -> str:
    """Return the message of the one failure, after which nothing was deployed."""
    assert ended.verdict["verdict"] == verdict
    assert ended.failed == [test]
    assert ended.nothing_deployed
    assert ended.verdict["seconds"] < SECONDS
    [failure] = ended.verdict["failures"].values()
    return str(failure["message"])


def test_drained_node_is_named_with_slurms_reason(world: FaultWorld) -> None:
    """node3 is drained while the job holds it: INFRA, in Slurm's words."""
    ended = world.run_broken("node-drained", "-k", SELECTED)

    message = _refused(ended, "INFRA", "test_slurm_holds_every_node_for_fit")
    assert "node3 is drained (state ALLOCATED+DRAIN; reason: Kill task failed" in message


@pytest.mark.parametrize(
    ("fault", "test", "words"),
    [
        (
            "other-nvlink-domain",
            "test_gpus_of_each_worker_are_in_one_nvlink_domain",
            "node3: clusterUuid 11111111-",
        ),
        ("row-remap-pending", "test_every_gpu_is_healthy", "row remapping is pending"),
    ],
)
def test_unfit_gpu_is_named(world: FaultWorld, fault: str, test: str, words: str) -> None:
    """The driver of node3 says of its GPUs what no worker can live with: INFRA."""
    ended = world.run_broken(fault, "-k", SELECTED)

    message = _refused(ended, "INFRA", test)
    assert words in message
    assert "node3" in message


def test_shared_memory_too_small_for_the_experts_is_named(world: FaultWorld) -> None:
    """node1 has 256 KiB of /dev/shm, and the experts take 928: INFRA, before a bus error."""
    ended = world.run_broken("shm-too-small", "-k", SELECTED)

    test = "test_shared_memory_holds_the_experts_where_they_are_balanced_online"
    message = _refused(ended, "INFRA", test)
    assert "node1: /dev/shm has 256 KiB free, the experts of the model take 928 KiB" in message


def test_missing_shard_is_named(world: FaultWorld) -> None:
    """The index names a file of weights that is not there: CONFIG, with the file."""
    ended = world.run_broken("model-shard-missing", "-k", SELECTED)

    message = _refused(ended, "CONFIG", "test_model_is_whole_and_readable_on_every_node")
    assert "node[1-4]: model-00002-of-00002.safetensors: No such file or directory" in message


def test_proxy_between_the_parts_of_a_deployment_is_named(world: FaultWorld) -> None:
    """A proxy of the shell reaches the frontend, which would call the workers through it."""
    ended = world.run_broken("proxy-in-the-environment", "-k", SELECTED)

    test = "test_parts_of_a_deployment_reach_each_other_past_any_proxy"
    message = _refused(ended, "CONFIG", test)
    assert "http_proxy=http://10.77.0.99:3128 in the containers of node[1-4]" in message


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
