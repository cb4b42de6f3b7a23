"""Prefill and decode settings that cannot work: one message each, before any node is used."""

from pathlib import Path

import pytest

from harness.settings import PROJECT_ROOT
from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SMALL = ("-k", "disagg-small")
DECODE = PROJECT_ROOT / "engine_configs" / "deepseek_r1" / "simple" / "decode.yaml"


def test_too_few_nodes_for_both_roles(world: World) -> None:
    """Two workers of 4 nodes in a run of 4: the message has the sum and the roles."""
    ended = world.run_suite("-k", "disagg]", mark="disagg")

    assert ended.verdict["verdict"] == "CONFIG"
    assert "needs 8 nodes (1 prefill x 4 + 1 decode x 4), the run has 4" in ended.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NUM_PREFILL_WORKERS", "0"),
        ("NUM_DECODE_WORKERS", "0"),
        ("DISAGGREGATION_STRATEGY", "sideways"),
    ],
)
def test_impossible_setting_of_a_role_is_named(world: World, name: str, value: str) -> None:
    """No replica of a role, or an unknown strategy: named with its value."""
    ended = world.run_suite(*SMALL, mark="disagg", **{name: value})

    assert ended.verdict["verdict"] == "CONFIG"
    assert f"{name}='{value}'" in ended.output


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("dtype: fp8", "dtype: auto", "kv_cache_config.dtype: expected fp8"),
        ("backend: UCX", "backend: DEFAULT", "expected a transceiver by its name"),
        ("16384", "4096", "max_tokens_in_buffer: expected at least 8191"),
        ("max_seq_len: 8448", "max_seq_len: 4096", "max_seq_len: expected more than 8191"),
    ],
)
def test_role_configs_that_disagree_are_refused_by_line(
    world: World, tmp_path_in_checkout: Path, *, old: str, new: str, words: str
) -> None:
    """KV type, transceiver, buffer and lengths of decode are held against prefill's."""
    broken = tmp_path_in_checkout / "decode.yaml"
    broken.write_text(DECODE.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    inside = f"/mnt/{broken.relative_to(PROJECT_ROOT)}"
    ended = world.run_suite(*SMALL, mark="disagg", REPLICA_DECODE_ENGINE_CONFIG=inside)

    assert ended.verdict["verdict"] == "CONFIG"
    assert words in ended.output
    assert f"{broken}:" in ended.output
