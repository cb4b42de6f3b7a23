"""Broken keys and values of an engine config are named with their line and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine_config import check_engine_config, load_engine_config
from tests.harness.pure.engine_config.kit import SOUND, changed, error_of, resolve, written


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(
            "WIDEEP",
            "WIFEEP",
            [":6: moe_config.backend: expected 'AUTO'", "seen 'WIFEEP'", "did you mean WIDEEP?"],
            id="the published typo",
        ),
        pytest.param(
            "WIDEEP", "WideEp", ["seen 'WideEp'", "did you mean WIDEEP?"], id="wrong capitals"
        ),
        pytest.param(
            "enable_padding",
            "enable_graph_padding",
            [":15: cuda_graph_config.enable_graph_padding: not a key", "write enable_padding"],
            id="a key that never was",
        ),
        pytest.param(
            "enable_padding",
            "enable_paddin",
            ["cuda_graph_config.enable_paddin", "did you mean enable_padding?"],
            id="misspelt nested key",
        ),
        pytest.param(
            "batch_sizes:",
            "cuda_graph_batch_sizes:",
            ["cuda_graph_config.cuda_graph_batch_sizes", "write batch_sizes"],
            id="former name of a nested key",
        ),
        pytest.param(
            "backend: pytorch",
            "cuda_graph_padding_enabled: true",
            [":1: cuda_graph_padding_enabled:", "enable_padding of the section cuda_graph_config"],
            id="former name at the top level",
        ),
        pytest.param(
            "backend: pytorch",
            "pytorch_backend_config: {use_cuda_graph: true}",
            [":1: pytorch_backend_config:", "its keys at the top level"],
            id="a section that is gone",
        ),
        pytest.param(
            "backend: pytorch",
            "free_gpu_memory_fraction: 0.5",
            ["in this place; it belongs in kv_cache_config"],
            id="key outside its section",
        ),
        pytest.param(
            "backend: pytorch",
            "zzz: 1",
            [":1: zzz: not a key of TensorRT-LLM 1.3.0rc22; remove it"],
            id="a key like no other",
        ),
        pytest.param(
            "backend: pytorch",
            "a.b: 1",
            [":1: a.b: not a key of TensorRT-LLM"],
            id="a key with a dot",
        ),
        pytest.param(
            "0.7", "1.7", ["expected less than or equal to 1, seen 1.7"], id="out of range"
        ),
        pytest.param(
            "pytorch", "tensorrt", ["backend: expected 'pytorch', seen 'tensorrt'"], id="backend"
        ),
        pytest.param("dtype: fp8", "dtype: fp88", ["seen 'fp88'; did you mean fp8?"], id="dtype"),
        pytest.param(
            "parallel_size: 16\nmoe",
            "parallel_size: sixteen\nmoe",
            [":2: tensor_parallel_size: expected a valid integer", "seen 'sixteen'"],
            id="a word for a number",
        ),
        pytest.param(
            "enable_attention_dp: true",
            "enable_attention_dp: maybe",
            ["enable_attention_dp: expected a valid boolean", "seen 'maybe'"],
            id="neither true nor false",
        ),
        pytest.param(
            "  backend: WIDEEP\n  load_balancer:",
            "  - WIDEEP\n  -",
            ["moe_config: expected a mapping of keys, seen ['WIDEEP'"],
            id="a list for a section",
        ),
        pytest.param(
            "max_batch_size: 256",
            "max_batch_size: 256\nmax_batch_size: 128",
            [":9: max_batch_size: stands twice, first on line 8"],
            id="duplicate key",
        ),
        pytest.param(
            "dtype: fp8",
            "dtype: fp8\n  dtype: auto",
            [":14: kv_cache_config.dtype: stands twice, first on line 13"],
            id="duplicate nested key",
        ),
    ],
)
def test_broken_key_is_named_with_line_and_fix(
    tmp_path: Path, *, old: str, new: str, words: list[str]
) -> None:
    text = error_of(written(tmp_path, changed(SOUND, old, new)))

    assert [word for word in words if word not in text] == [], text
    assert "1 problem by the rules of TensorRT-LLM 1.3.0rc22:\n" in text, text
    assert f"{tmp_path}/engine.yaml:" in text


def test_section_that_may_be_null_is_off(tmp_path: Path) -> None:
    text = SOUND[: SOUND.index("cuda_graph_config")] + "cuda_graph_config: null\n"

    check_engine_config(load_engine_config(written(tmp_path, text)), gpus=16, resolve=resolve)


def test_section_that_must_not_be_null_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "kv_cache_config:\n")

    assert "kv_cache_config: expected a mapping of keys, seen None" in error_of(path, gpus=1)


def test_no_rule_builds_on_a_section_that_is_reported_itself(tmp_path: Path) -> None:
    text = "tensor_parallel_size: 12\nmoe_expert_parallel_size: 12\nmoe_config: WIDEEP\n"

    error = error_of(written(tmp_path, text), gpus=12)
    assert "1 problem by the rules" in error
    assert ":3: moe_config: expected a mapping of keys, seen 'WIDEEP'" in error
