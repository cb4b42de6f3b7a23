"""Pure: from the LLM's arguments and the model's files to what every rank is told."""

from __future__ import annotations

from typing import Any

from .._emulation.kv_state import Layout
from .._emulation.model_files import ModelShape
from .._emulation.rules import Plan, resolve_moe_sizes
from .config_sections import MoeLoadBalancerConfig
from .llm_args import TorchLlmArgs

_DEFAULT_BACKEND = "NIXL"
"""What DEFAULT stands for since release 1.3; before, it was UCX."""


def kv_layout(args: TorchLlmArgs) -> Layout | None:
    """Return how this engine's KV cache is stored and travels; None when it cannot travel."""
    config = args.cache_transceiver_config
    if config is None or config.backend is None:
        return None
    backend = _DEFAULT_BACKEND if config.backend == "DEFAULT" else config.backend
    cache = args.kv_cache_config
    return Layout(backend, cache.dtype, cache.tokens_per_block)


def kv_ranks(args: TorchLlmArgs, dp_rank: int) -> list[int]:
    """Return the ranks of the world that have one request's KV cache.

    With attention DP one of each pipeline stage, else all.
    """
    if args.enable_attention_dp:
        return list(range(dp_rank, args.world_size, args.tensor_parallel_size))
    return list(range(args.world_size))


def _transceiver_plan(args: TorchLlmArgs, kv_key: str) -> dict[str, Any] | None:
    layout, config = kv_layout(args), args.cache_transceiver_config
    if layout is None or config is None:
        return None
    return {
        "backend": layout.backend,
        "key": kv_key,
        "max_tokens": config.max_tokens_in_buffer,
        "timeout_ms": config.kv_transfer_timeout_ms,
    }


def rank_plan(args: TorchLlmArgs, shape: ModelShape, kv_key: str = "") -> Plan:
    """Return the plan of one engine, the same for all its ranks.

    ``kv_key`` has to be shown by who wants to fetch a KV cache.
    """
    balancer = args.moe_config.load_balancer
    moe_tp, moe_ep, cluster = resolve_moe_sizes(
        args.tensor_parallel_size,
        moe_tp=_or_auto(args.moe_tensor_parallel_size),
        moe_ep=_or_auto(args.moe_expert_parallel_size),
        cluster=_or_auto(args.moe_cluster_parallel_size),
    )
    online = isinstance(balancer, MoeLoadBalancerConfig) and balancer.layer_updates_per_iter > 0
    cache = args.kv_cache_config
    return {
        "tp": args.tensor_parallel_size,
        "cp": args.context_parallel_size,
        "moe_tp": moe_tp,
        "moe_ep": moe_ep,
        "moe_cluster": cluster,
        "moe_backend": args.moe_config.backend,
        "attention_dp": args.enable_attention_dp,
        "experts": shape.experts,
        "balancer": isinstance(balancer, MoeLoadBalancerConfig),
        "num_slots": balancer.num_slots if isinstance(balancer, MoeLoadBalancerConfig) else None,
        "online_layers": shape.moe_layers if online else 0,
        "weights_mib": shape.weights_mib,
        "kv_fraction": 0.9
        if cache.free_gpu_memory_fraction is None
        else cache.free_gpu_memory_fraction,
        "kv_max_tokens": cache.max_tokens,
        "kv_bytes_per_token": shape.kv_bytes_per_token(cache.dtype),
        "transceiver": _transceiver_plan(args, kv_key),
    }


def _or_auto(size: int | None) -> int:
    return -1 if size is None else size


def check_gpus(args: TorchLlmArgs, visible: int) -> None:
    """Raise RuntimeError when this node has fewer GPUs than ranks the model puts on it."""
    if args.world_size > 1 and visible < args.world_size_per_node:
        raise RuntimeError(
            f"Only {visible} GPUs are available, but {args.world_size} are required."
        )
