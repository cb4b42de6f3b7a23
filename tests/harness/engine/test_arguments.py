"""Engine configs: refused with TensorRT-LLM's words, at the places where it refuses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from tensorrt_llm._emulation.model_files import ModelShape
from tensorrt_llm._emulation.rules import check_mapping, check_moe
from tensorrt_llm.executor.utils import RequestError
from tensorrt_llm.llmapi.config_sections import KvCacheConfig
from tensorrt_llm.llmapi.limits import check_prompt, deduce_max_tokens
from tensorrt_llm.llmapi.llm_args import BaseLlmArgs, TorchLlmArgs
from tensorrt_llm.llmapi.llm_utils import update_llm_args_with_extra_options
from tensorrt_llm.llmapi.plan import check_gpus, rank_plan

SHAPE = ModelShape(
    weights_mib=370_000,
    layers=61,
    moe_layers=58,
    experts=256,
    max_position_embeddings=163_840,
    eos_token_ids=(1,),
    kv_elements_per_token=35_136,
)
WIDE_EP: dict[str, Any] = {
    "tensor_parallel_size": 16,
    "moe_expert_parallel_size": 16,
    "enable_attention_dp": True,
    "gpus_per_node": 4,
    "moe_config": {
        "backend": "WIDEEP",
        "load_balancer": {"num_slots": 288, "layer_updates_per_iter": 1},
    },
}


def arguments(**changes: Any) -> TorchLlmArgs:
    return TorchLlmArgs(model="m", **{**WIDE_EP, **changes})


def plan(**changes: Any) -> dict[str, Any]:
    return rank_plan(arguments(**changes), SHAPE)


def test_wide_ep_on_sixteen_ranks_is_accepted() -> None:
    good = plan()

    check_mapping(good)
    check_moe(good)
    assert good["online_layers"] == 58
    assert arguments().world_size == 16


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ({"tensor_paralel_size": 4}, "tensor_paralel_size"),
        ({"cuda_graph_config": {"enable_graph_padding": True}}, "enable_graph_padding"),
        ({"cuda_graph_config": {"cuda_graph_batch_sizes": [1]}}, "cuda_graph_batch_sizes"),
        ({"kv_cache_config": {"free_gpu_memory_fracton": 0.5}}, "free_gpu_memory_fracton"),
        ({"speculative_config": {"decoding_type": "MTP", "nextn": 1}}, "nextn"),
        ({"build_config": {}}, "build_config"),
    ],
)
def test_an_unknown_key_is_refused_by_name(section: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError, match=place) as refusal:
        arguments(**section)

    assert "Extra inputs are not permitted" in str(refusal.value)


def test_a_misspelt_backend_fails_while_the_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(yaml.safe_dump({"moe_config": {"backend": "WIFEEP"}}))

    with pytest.raises(ValidationError, match="WIDEEP"):
        update_llm_args_with_extra_options({"model": "m"}, str(file))


def test_the_files_kv_cache_values_lie_over_the_callers(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(yaml.safe_dump({"kv_cache_config": {"dtype": "fp8"}, "max_batch_size": 7}))
    given = {"kv_cache_config": KvCacheConfig(free_gpu_memory_fraction=0.3), "max_batch_size": 1}

    merged = update_llm_args_with_extra_options(given, str(file))

    assert merged["max_batch_size"] == 7
    assert merged["kv_cache_config"].dtype == "fp8"
    assert merged["kv_cache_config"].free_gpu_memory_fraction == 0.3


def test_a_missing_load_balancer_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"/nowhere/eplb\.yaml"):
        arguments(moe_config={"backend": "WIDEEP", "load_balancer": "/nowhere/eplb.yaml"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"enable_attention_dp": False}, "Attention DP should be used with WideEP."),
        (
            {"moe_config": {"backend": "WIDEEP", "load_balancer": {"num_slots": 290}}},
            r"`num_slots` \(290\) must be divisible by `ep_size` \(16\)",
        ),
        (
            {"moe_config": {"backend": "WIDEEP", "load_balancer": {"num_slots": 128}}},
            "at least num_experts",
        ),
        (
            {"moe_config": {"backend": "WIDEEP", "load_balancer": {}}},
            "`num_slots` cannot be None",
        ),
        (
            {
                "tensor_parallel_size": 12,
                "moe_expert_parallel_size": 12,
                "moe_config": {"backend": "CUTLASS"},
            },
            "must be divisible by ep_size",
        ),
    ],
)
def test_a_rank_refuses_experts_that_cannot_be_divided(changes: dict[str, Any], words: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=words):
        check_moe(plan(**changes))


def test_a_rank_refuses_sizes_that_do_not_multiply() -> None:
    bad = plan(moe_expert_parallel_size=5, moe_tensor_parallel_size=3)

    with pytest.raises(ValueError, match="tp_size must equal to moe_tp_size"):
        check_mapping(bad)


def test_too_few_gpus_on_the_node_are_refused() -> None:
    with pytest.raises(RuntimeError, match="Only 2 GPUs are available, but 16 are required"):
        check_gpus(arguments(), 2)


def test_static_balancing_shares_no_memory() -> None:
    balancer = {"num_slots": 288, "layer_updates_per_iter": 0}

    assert plan(moe_config={"backend": "WIDEEP", "load_balancer": balancer})["online_layers"] == 0


def test_dynamos_worker_finds_its_defaults() -> None:
    fields = BaseLlmArgs.model_fields

    assert fields["max_batch_size"].default == 2048
    assert fields["max_num_tokens"].default == 8192


def test_a_prompt_longer_than_an_iteration_is_refused() -> None:
    args = arguments(max_num_tokens=256)

    check_prompt(args, 256, generation_only=False)
    check_prompt(args, 257, generation_only=True)
    with pytest.raises(RequestError, match=r"should not exceed max_num_tokens \(256\)"):
        check_prompt(args, 257, generation_only=False)


def test_chunked_prefill_takes_long_prompts() -> None:
    check_prompt(
        arguments(max_num_tokens=256, enable_chunked_prefill=True), 5000, generation_only=False
    )


def test_the_answer_has_to_fit_the_sequence() -> None:
    assert deduce_max_tokens(None, 100, 120) == 20
    assert deduce_max_tokens(7, 100, 120) == 7
    assert deduce_max_tokens(50, 100, 120) == 20
    with pytest.raises(RequestError, match="must be greater than 0"):
        deduce_max_tokens(5, 120, 120)
