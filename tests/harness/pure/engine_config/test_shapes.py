"""Shapes that an engine config cannot have are named with their line and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine_config import check_engine_config, load_engine_config
from tests.harness.pure.engine_config.kit import SOUND, changed, error_of, resolve, written


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(
            "tensor_parallel_size: 16\nmoe_expert_parallel_size: 16",
            "tensor_parallel_size: 8\nmoe_expert_parallel_size: 8",
            [
                ":2: tensor_parallel_size: expected",
                "16 GPUs, 4 nodes x 4, seen 8 x 1 x 1 = 8",
                "NUM_NODES",
                "External MPI session has 16 workers but the model needs world_size=8.",
            ],
            id="world size too small",
        ),
        pytest.param(
            "backend: pytorch",
            "pipeline_parallel_size: 2",
            ["seen 16 x 2 x 1 = 32", "world_size=32"],
            id="pipeline multiplies",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: 32",
            [
                ":3: moe_expert_parallel_size: expected",
                "tensor_parallel_size, 16",
                "choose divisors",
            ],
            id="more expert ranks than ranks",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: 9",
            [":3: moe_expert_parallel_size: expected", "seen 1 x 9 x 1"],
            id="expert ranks that do not divide the ranks",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: -4\nmoe_tensor_parallel_size: -4",
            [":3: moe_expert_parallel_size: expected", "seen -4 x -4 x 1"],
            id="sizes below one whose product fits",
        ),
        pytest.param(
            "moe_expert_parallel_size: 16",
            "moe_expert_parallel_size: 0",
            [":3: moe_expert_parallel_size: expected", "x 0 x 1"],
            id="no expert ranks",
        ),
        pytest.param(
            "enable_attention_dp: true",
            "enable_attention_dp: false",
            [":4: enable_attention_dp: expected true", "Attention DP should be used with WideEP."],
            id="WIDEEP with attention split",
        ),
        pytest.param(
            "enable_attention_dp: true\n",
            "",
            [":5: enable_attention_dp: expected true", "seen no such key"],
            id="WIDEEP without a word on attention",
        ),
        pytest.param(
            "backend: pytorch",
            "gpus_per_node: 8",
            [":1: gpus_per_node: expected 4", "seen 8; remove the key"],
            id="GPUs of another kind of node",
        ),
        pytest.param(
            "enable_padding: true",
            "max_batch_size: 8",
            [":15: cuda_graph_config.max_batch_size: expected 4", "seen 8"],
            id="graphs for two batch sizes",
        ),
        pytest.param(
            "eplb.yaml",
            "eplp.yaml",
            [":7: moe_config.load_balancer: /mnt/", "eplp.yaml does not exist", "eplb.yaml?"],
            id="balancer's file missing",
        ),
    ],
)
def test_broken_shape_is_named_with_line_and_fix(
    tmp_path: Path, *, old: str, new: str, words: list[str]
) -> None:
    text = error_of(written(tmp_path, changed(SOUND, old, new)))

    assert [word for word in words if word not in text] == [], text
    assert "1 problem by the rules" in text, text


def test_wide_ep_on_one_gpu_is_refused(tmp_path: Path) -> None:
    text = changed(SOUND, "tensor_parallel_size: 16\nmoe_expert_parallel_size: 16\n", "")

    error = error_of(written(tmp_path, text), gpus=1)
    assert "WideEP should only be enabled with parallel_size > 1" in error


def test_experts_divide_evenly_without_a_balancer(tmp_path: Path) -> None:
    text = "tensor_parallel_size: 12\nmoe_expert_parallel_size: 12\n"

    error = error_of(written(tmp_path, text), gpus=12)
    assert ":2: moe_expert_parallel_size: expected a divisor of the 256 experts" in error


def test_longest_request_of_the_run_fits(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)

    text = error_of(path, prompt_tokens=8000, answer_tokens=500)
    assert ":10: max_seq_len: expected at least 8500" in text
    assert "8000 + 500 tokens, seen 8448" in text
    assert ":9: max_num_tokens: expected at least 8000" in text
    assert "should not exceed max_num_tokens (256)" in text


def test_chunked_prefill_takes_prompts_longer_than_a_pass(tmp_path: Path) -> None:
    text = changed(SOUND, "backend: pytorch", "enable_chunked_prefill: true")
    config = load_engine_config(written(tmp_path, text))

    check_engine_config(config, gpus=16, resolve=resolve, prompt_tokens=8000, answer_tokens=100)
    assert config.max_prompt_tokens == 8447
