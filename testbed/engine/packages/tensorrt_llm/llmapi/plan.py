"""Pure: from the LLM's arguments and the model's files to what every rank is told."""

from __future__ import annotations

from .._emulation.model_files import ModelShape
from .._emulation.rules import Plan, resolve_moe_sizes
from .config_sections import MoeLoadBalancerConfig
from .llm_args import TorchLlmArgs


def rank_plan(args: TorchLlmArgs, shape: ModelShape) -> Plan:
    """Return the plan of one engine, the same for all its ranks."""
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
    }


def _or_auto(size: int | None) -> int:
    return -1 if size is None else size


def check_gpus(args: TorchLlmArgs, visible: int) -> None:
    """Raise RuntimeError when this node has fewer GPUs than ranks the model puts on it."""
    if args.world_size > 1 and visible < args.world_size_per_node:
        raise RuntimeError(
            f"Only {visible} GPUs are available, but {args.world_size} are required."
        )
