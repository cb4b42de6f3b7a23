"""A world that a disaggregated deployment cannot live in: found before an engine is loaded."""

import pytest

from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

MIXED = ("-k", "registration and disagg-mixed")
READY = "test_deployment_becomes_ready[disagg-mixed]"


def test_decode_node_that_does_not_reach_a_prefill_node(world: World) -> None:
    """No route from node3 (decode) to node2 (prefill): INFRA within seconds, both are named."""
    with world.broken_by("nodes-apart"):
        run = world.start_suite(*MIXED, mark="disagg")
        ended = run.end()

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == [READY]
    assert "NodesApart [INFRA]: node3 (decode-0) does not reach node2 (prefill-0)" in ended.output
    assert "no route to host" in ended.output
    assert not list(run.run_dir.glob("logs/disagg-mixed/*.err.log")), "a step was started"


LEFT_OVER = """
srun --overlap --nodes=1 --ntasks=1 --nodelist=node2 --job-name=left-over nats-server --port 4333 &
until squeue --steps --noheader --format=%j | grep -qx left-over; do sleep 0.05; done
exec "$@"
"""


def test_previous_deployment_on_a_node_is_named(world: World) -> None:
    """A NATS of before still runs in a step of the job: INFRA, with step, name, user and since."""
    ended = world.run_suite(
        "-k", "preflight", NUM_NODES="4", before=("bash", "-c", LEFT_OVER, "bash")
    )

    assert ended.verdict["verdict"] == "INFRA"
    assert ended.failed == ["test_nodes_hold_nothing_of_an_earlier_deployment"]
    assert "a previous deployment still runs on node2" in ended.output
    assert "(left-over) of root, since 2" in ended.output
    assert "end it: `scancel" in ended.output


def test_worker_of_another_deployment_in_our_discovery_is_named(world: World) -> None:
    """An instance from a stranger's node in our etcd: CONFIG, whether workers run by then or not.

    When the instance comes is up to the machine: before the look that precedes the workers, or
    while they load.
    """
    with world.prepared("stale-instance"):
        run = world.start_suite(*MIXED, mark="disagg")
        run.wait_for_log("logs/disagg-mixed/frontend.out.log", "etcd and NATS serve")
        world.inject("stale-instance")
        ended = run.end()

    assert ended.verdict["verdict"] == "CONFIG"
    assert ended.failed == [READY]
    assert "NameTaken [CONFIG]" in ended.output
    assert "10.77.0.99" in ended.output
