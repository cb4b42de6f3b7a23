"""A KV cache that cannot travel, though every worker is there and healthy."""

import pytest

from testbed.faults.table import fault_named
from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

STUCK = fault_named("kv-transfer-stuck")


def test_swallowed_transfer_keeps_the_deployment_from_being_ready(world: World) -> None:
    """Packets of the transfer vanish: not ready, and the message tells of the failing canary."""
    with world.prepared(STUCK.name):
        run = world.start_suite("-k", STUCK.run.tests, mark="disagg", **STUCK.run.variables)
        run.wait_for_log("logs/*/frontend.out.log", "etcd and NATS serve")
        world.inject(STUCK.name)
        ended = run.end()

    assert ended.verdict["verdict"] == "FAIL"
    assert ended.failed == ["test_deployment_becomes_ready[disagg-small]"]
    assert "NotReady [FAIL]" in ended.output
    assert "still waiting for" in ended.output
    assert "; the last: <Record" in ended.output
    decode = (run.run_dir / "logs" / "disagg-small" / "decode-0.err.log").read_text()
    assert "kv cache transfer" in decode
