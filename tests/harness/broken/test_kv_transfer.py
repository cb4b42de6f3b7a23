"""A KV cache that cannot travel, though every worker is there and healthy."""

import re
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.settings import PROJECT_ROOT
from tests.harness.broken.world import SuiteRun, World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SIMPLE = PROJECT_ROOT / "engine_configs" / "deepseek_r1" / "simple"
LISTENS = re.compile(r"KV cache transceiver \(UCX\) listens on [\d.]+:(\d+)")
RANKS = 4


def _hasty(name: str, folder: Path) -> str:
    """Return the container's path of an engine config that gives a transfer 2 s."""
    text = (SIMPLE / name).read_text(encoding="utf-8")
    hasty = folder / name
    hasty.write_text(f"{text}  kv_transfer_timeout_ms: 2000\n", encoding="utf-8")
    return f"/mnt/{hasty.relative_to(PROJECT_ROOT)}"


def _ports(run: SuiteRun) -> list[str]:
    """Wait until every prefill rank has said where it listens for decode ranks."""

    def said() -> list[str] | None:
        logs = (run.run_dir / "logs" / "disagg-small").glob("prefill-0.*.log")
        ports = LISTENS.findall("".join(log.read_text(errors="replace") for log in logs))
        return ports if len(ports) == RANKS else None

    ports = wait_until(said, Deadline.after(60))
    assert ports is not None
    return ports


def test_swallowed_transfer_keeps_the_deployment_from_being_ready(
    world: World, tmp_path_in_checkout: Path
) -> None:
    """Packets of the transfer vanish: not ready, and the message tells of the failing canary."""
    run = world.start_suite(
        "-k",
        "disagg-small and registration",
        mark="disagg",
        REPLICA_PREFILL_ENGINE_CONFIG=_hasty("prefill.yaml", tmp_path_in_checkout),
        REPLICA_DECODE_ENGINE_CONFIG=_hasty("decode.yaml", tmp_path_in_checkout),
        START_TIMEOUT_S="20",
    )
    rules = [("ipproto", "tcp", "sport", port, "blackhole") for port in _ports(run)]
    for rule in rules:
        world.on_node("node1", "ip", "rule", "add", *rule)
    try:
        ended = run.end()
    finally:
        for rule in rules:
            world.on_node("node1", "ip", "rule", "del", *rule)

    assert ended.verdict["verdict"] == "FAIL"
    assert ended.failed == ["test_deployment_becomes_ready[disagg-small]"]
    assert "NotReady [FAIL]" in ended.output
    assert "still waiting for" in ended.output
    assert "; the last: <Record" in ended.output
    decode = (run.run_dir / "logs" / "disagg-small" / "decode-0.err.log").read_text()
    assert "kv cache transfer" in decode
