"""The engine configs of these tests: those of the project, and a sound one to break."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine_config import (
    check_engine_config,
    load_engine_config,
)
from harness.errors import EngineConfigError, VerdictClass
from harness.mounts import host_path, parse_mounts
from harness.settings import PROJECT_ROOT

CONFIGS = PROJECT_ROOT / "engine_configs"
MOUNTS = parse_mounts(f"{PROJECT_ROOT}:/mnt", where="test")
SHAPES = {
    "deepseek_r1/wide_ep/wide_ep_agg.yaml": 16,
    "deepseek_r1/wide_ep/wide_ep_prefill.yaml": 16,
    "deepseek_r1/wide_ep/wide_ep_decode.yaml": 16,
    "deepseek_r1/simple/agg.yaml": 4,
    "deepseek_r1/simple/agg_wide_ep.yaml": 4,
    "deepseek_r1/simple/agg_one_gpu.yaml": 1,
    "deepseek_r1/simple/prefill.yaml": 4,
    "deepseek_r1/simple/decode.yaml": 4,
    "deepseek_r1/simple/prefill_two_nodes.yaml": 8,
}

NARROW = {"deepseek_r1/simple/agg_wide_ep.yaml"}
"""WIDEEP on fewer ranks than a token has experts: slower, and small on purpose."""

SOUND = """\
backend: pytorch
tensor_parallel_size: 16
moe_expert_parallel_size: 16
enable_attention_dp: true
moe_config:
  backend: WIDEEP
  load_balancer: /mnt/engine_configs/deepseek_r1/wide_ep/eplb.yaml
max_batch_size: 256
max_num_tokens: 256
max_seq_len: 8448
kv_cache_config:
  free_gpu_memory_fraction: 0.7
  dtype: fp8
cuda_graph_config:
  enable_padding: true
  batch_sizes: [1, 2, 4]
"""


def resolve(container_path: str) -> Path | None:
    return host_path(container_path, MOUNTS)


def written(folder: Path, text: str, *, name: str = "engine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def error_of(path: Path, *, gpus: int = 16, prompt_tokens: int = 0, answer_tokens: int = 0) -> str:
    """Return the error of a config on nodes of 4 GPUs."""
    with pytest.raises(EngineConfigError) as caught:
        check_engine_config(
            load_engine_config(path),
            gpus=gpus,
            resolve=resolve,
            gpus_per_node=4,
            prompt_tokens=prompt_tokens,
            answer_tokens=answer_tokens,
        )
    assert caught.value.verdict_class is VerdictClass.CONFIG
    return str(caught.value)


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)
