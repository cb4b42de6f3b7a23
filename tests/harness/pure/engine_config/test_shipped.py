"""The engine configs of the project are sound at the shapes they are written for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.engine_config import check_engine_config, engine_config_remarks, load_engine_config
from tests.harness.pure.engine_config.kit import CONFIGS, NARROW, SHAPES, resolve, written


@pytest.mark.parametrize(("name", "gpus"), SHAPES.items())
def test_shipped_config_is_sound_at_its_own_shape(name: str, gpus: int) -> None:
    config = load_engine_config(CONFIGS / name)

    check_engine_config(
        config, gpus=gpus, resolve=resolve, gpus_per_node=4, prompt_tokens=200, answer_tokens=50
    )
    remarks = engine_config_remarks(config, resolve=resolve)
    assert ["without all-to-all" in remark for remark in remarks] == [True] * (name in NARROW)


def test_every_shipped_engine_config_is_checked_here() -> None:
    shipped = {str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml")}

    engine = {name for name in shipped if not name.endswith("/eplb.yaml")}
    assert {name for name in engine if "/topologies/" not in f"/{name}"} == set(SHAPES)


def test_values_of_the_aggregated_recipe() -> None:
    path = CONFIGS / "deepseek_r1/wide_ep/wide_ep_agg.yaml"
    config = load_engine_config(path)

    assert (config.world_size, config.tp_size, config.pp_size, config.cp_size) == (16, 16, 1, 1)
    assert (config.moe_ep_size, config.moe_tp_size, config.moe_backend) == (16, 1, "WIDEEP")
    assert (config.attention_dp, config.kv_cache_dtype) == (True, "fp8")
    assert (config.max_batch_size, config.max_num_tokens, config.max_seq_len) == (256, 256, 8448)
    assert config.load_balancer_path == "/mnt/engine_configs/deepseek_r1/wide_ep/eplb.yaml"
    assert config.max_prompt_tokens == 256
    assert config.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert config.raw["moe_config"]["backend"] == "WIDEEP"


def test_the_single_node_recipe_has_no_load_balancer() -> None:
    config = load_engine_config(CONFIGS / "deepseek_r1/simple/agg.yaml")

    assert (config.world_size, config.load_balancer) == (4, None)


def test_what_a_file_does_not_say_has_tensorrt_llms_defaults(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, "backend: pytorch\n"))

    assert (config.world_size, config.moe_ep_size, config.moe_backend) == (1, 1, "AUTO")
    assert (config.max_batch_size, config.max_num_tokens, config.max_seq_len) == (2048, 8192, None)
    check_engine_config(config, gpus=1, resolve=resolve)
