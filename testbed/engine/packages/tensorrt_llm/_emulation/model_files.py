"""The model's folder, and what its files say about the model's size."""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MIB = 1024 * 1024

# NVFP4 keeps half a byte a weight and a scale byte for every sixteen; attention stays in two bytes.
_FP4_BYTES = 0.5 + 1 / 16
_PLAIN_BYTES = 2.0


@dataclass(frozen=True)
class ModelShape:
    """What the emulation needs to know of a model."""

    weights_mib: int
    layers: int
    moe_layers: int
    experts: int
    max_position_embeddings: int
    eos_token_ids: tuple[int, ...]
    kv_elements_per_token: int

    def kv_bytes_per_token(self, dtype: str) -> int:
        """Return the KV cache's bytes for one token over all layers."""
        per_element = {"fp8": 1.0, "nvfp4": _FP4_BYTES}.get(dtype, 2.0)
        return max(1, int(self.kv_elements_per_token * per_element))


def resolve_model(model: str | Path) -> Path:
    """Return the model's folder: a folder as it is, a name from the Hugging Face cache.

    Raise what ``huggingface_hub`` raises for a name that is not there, or is no name.
    """
    if Path(model).is_dir():
        return Path(model)
    hub = importlib.import_module("huggingface_hub")  # only a name needs it
    return Path(hub.snapshot_download(str(model)))


def read_shape(folder: Path) -> ModelShape:
    """Read ``config.json`` of a model folder; raise ValueError when the folder has none."""
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"Failed to infer model format because no config.json exists in {folder}")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    layers = config["num_hidden_layers"]
    experts = config.get("n_routed_experts") or config.get("num_experts") or 0
    moe_layers = layers - config.get("first_k_dense_replace", 0) if experts else 0
    eos = config.get("eos_token_id")
    return ModelShape(
        weights_mib=_weights_mib(config, moe_layers, quantized=_is_fp4(folder)),
        layers=layers,
        moe_layers=moe_layers,
        experts=experts,
        max_position_embeddings=config.get("max_position_embeddings", 4096),
        eos_token_ids=() if eos is None else tuple(eos if isinstance(eos, list) else [eos]),
        kv_elements_per_token=_kv_elements(config) * layers,
    )


def _is_fp4(folder: Path) -> bool:
    path = folder / "hf_quant_config.json"
    return path.is_file() and "FP4" in path.read_text(encoding="utf-8").upper()


def _weights_mib(config: dict[str, Any], moe_layers: int, *, quantized: bool) -> int:
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    experts = (config.get("n_routed_experts") or 0) + (config.get("n_shared_experts") or 0)
    expert_weights = moe_layers * experts * 3 * hidden * config.get("moe_intermediate_size", 0)
    dense_weights = (layers - moe_layers) * 3 * hidden * config.get("intermediate_size", 4 * hidden)
    attention = (
        layers * 4 * hidden * config.get("kv_lora_rank", hidden) * 10
        if "kv_lora_rank" in config
        else 0
    )
    attention = attention or layers * 4 * hidden * hidden
    embeddings = 2 * config["vocab_size"] * hidden
    moe_bytes = (expert_weights + dense_weights) * (_FP4_BYTES if quantized else _PLAIN_BYTES)
    return int((moe_bytes + (attention + embeddings) * _PLAIN_BYTES) / _MIB)


def _kv_elements(config: dict[str, Any]) -> int:
    if "kv_lora_rank" in config:  # multi-head latent attention keeps one compressed vector
        return int(config["kv_lora_rank"]) + int(config.get("qk_rope_head_dim", 64))
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return int(2 * heads * head)


def spawned_by_launcher() -> bool:
    """Whether this process was started by ``trtllm-llmapi-launch``."""
    return os.environ.get("TLLM_SPAWN_PROXY_PROCESS") == "1"
