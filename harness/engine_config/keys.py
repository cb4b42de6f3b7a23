"""The keys TensorRT-LLM takes in an engine config, with their types, for one release.

Source: the fields of ``TorchLlmArgs`` and of the classes nested in it, in TensorRT-LLM's
``llmapi/llm_args.py`` as of the 1.3.0 release candidates of summer 2026. All of them refuse a key
they do not know. Types are read by pydantic in its lax mode, as TensorRT-LLM does: ``"16"`` is a
whole number here too. A key of type ``Any`` is known, but its value is not looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

RELEASE = "1.3.0rc22"
"""The release of TensorRT-LLM that ai-dynamo 1.4.2 requires."""

AtLeastOne = Annotated[int, Field(ge=1)]
AtLeastZero = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _small(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


@dataclass(frozen=True)
class Section:
    """A mapping of known keys to their types, which may themselves be sections."""

    keys: Mapping[str, Any]
    nullable: bool = True
    """Whether ``null`` may stand for the whole section."""
    renamed: Mapping[str, str] | None = None
    """Former or commonly mistaken names, and what to write instead."""


MOE = Section(
    {
        "backend": Literal[
            "AUTO",
            "CUTLASS",
            "CUTEDSL",
            "WIDEEP",
            "TRTLLM",
            "DEEPGEMM",
            "DENSEGEMM",
            "VANILLA",
            "TRITON",
            "MARLIN",
            "MEGAMOE_DEEPGEMM",
        ],
        "max_num_tokens": int | None,
        "load_balancer": str | dict[str, Any] | None,
        "disable_finalize_fusion": bool,
        "use_low_precision_moe_combine": bool,
    },
    nullable=False,
)

LOAD_BALANCER = Section(
    {
        "num_slots": int,  # may be left out by its type, but setting it up then fails
        "initial_global_assignments": dict[int, list[int]] | None,
        "layer_updates_per_iter": AtLeastZero,
    },
    nullable=False,
)

CUDA_GRAPH = Section(
    {
        "batch_sizes": list[int] | None,
        "max_batch_size": AtLeastZero,
        "enable_padding": bool,
        "mode": Literal["decode", "encode"],
        "num_tokens": list[AtLeastOne] | None,
        "max_num_token": AtLeastZero,
        "seq_lens": list[AtLeastOne] | None,
        "max_seq_len": AtLeastZero,
    },
    renamed={
        "enable_graph_padding": "enable_padding",
        "padding_enabled": "enable_padding",
        "cuda_graph_padding_enabled": "enable_padding",
        "cuda_graph_batch_sizes": "batch_sizes",
        "cuda_graph_max_batch_size": "max_batch_size",
    },
)

KvCacheType = Annotated[
    Literal[
        "auto", "fp8", "nvfp4", "float16", "bfloat16", "float32", "int8", "int32", "int64", "bool"
    ],
    BeforeValidator(_small),
]

KV_CACHE = Section(
    {
        "enable_block_reuse": bool,
        "max_tokens": int | None,
        "max_attention_window": list[int] | None,
        "sink_token_length": int | None,
        "free_gpu_memory_fraction": Share | None,
        "host_cache_size": int | None,
        "disk_cache_size": AtLeastZero | None,
        "disk_cache_path": str | None,
        "cross_kv_cache_fraction": Share | None,
        "secondary_offload_min_priority": int | None,
        "event_buffer_max_size": int,
        "attention_dp_events_gather_period_ms": int,
        "enable_partial_reuse": bool,
        "copy_on_partial_reuse": bool,
        "use_uvm": bool,
        "max_gpu_total_bytes": AtLeastZero,
        "iteration_stats_interval": AtLeastOne,
        "dtype": KvCacheType,
        "mamba_ssm_cache_dtype": Literal["auto", "float16", "bfloat16", "float32"],
        "mamba_ssm_stochastic_rounding": bool,
        "mamba_ssm_philox_rounds": AtLeastOne,
        "tokens_per_block": int,
        "mamba_state_cache_interval": AtLeastOne,
        "use_kv_cache_manager_v2": bool,
        "enable_swa_scratch_reuse": bool,
        "kv_cache_event_hash_algo": Literal["auto", "v1_block_key", "v2_sha256", "v2_sha256_64"],
        "max_util_for_resume": Share,
        "enable_kv_pool_rebalance": bool,
        "disk_prefetch_num_reqs": AtLeastZero,
        "pool_ratio": list[float] | None,
        "avg_seq_len": AtLeastOne | None,
        "block_reuse_policy": Literal["all_reusable", "per_request"],
    },
    nullable=False,
    renamed={"kv_cache_dtype": "dtype"},
)

CACHE_TRANSCEIVER = Section(
    {
        "backend": Literal["DEFAULT", "UCX", "NIXL", "MOONCAKE", "MPI"] | None,
        "transceiver_runtime": Literal["CPP", "PYTHON"] | None,
        "max_tokens_in_buffer": int | None,
        "kv_transfer_timeout_ms": AtLeastOne | None,
        "kv_transfer_sender_future_timeout_ms": AtLeastOne | None,
        "kv_transfer_poll_interval_ms": AtLeastOne | None,
        "kv_cache_bounce_size_mb": AtLeastZero,
    },
    renamed={"max_num_tokens": "max_tokens_in_buffer"},
)

ATTENTION_DP = Section(
    {
        "enable_balance": bool,
        "timeout_iters": int,
        "batching_wait_iters": int,
        "enable_kv_cache_aware_routing": bool,
        "kv_cache_routing_load_balance_weight": float,
        "kv_cache_routing_match_rate_threshold": float,
        "kv_cache_routing_fair_share_multiplier": float,
        "kv_cache_routing_cold_start_warmup": bool,
        "kv_cache_routing_account_for_in_transfer": bool,
        "kv_cache_routing_conversation_affinity": bool,
        "kv_cache_routing_max_sessions": int,
    },
)

SCHEDULER = Section(
    {
        "capacity_scheduler_policy": Any,
        "context_chunking_policy": Any,
        "dynamic_batch_config": Any,
        "waiting_queue_policy": Literal["fcfs", "priority"],
        "use_python_scheduler": bool,
        "enable_prefix_aware_scheduling": bool,
    },
    nullable=False,
)

TORCH_COMPILE = Section(
    {
        "enable_fullgraph": bool,
        "enable_inductor": bool,
        "enable_piecewise_cuda_graph": bool,
        "capture_num_tokens": list[AtLeastOne] | None,
        "enable_userbuffers": bool,
        "max_num_streams": AtLeastOne,
    },
)

_CHECKED: Mapping[str, Any] = {
    "backend": Literal["pytorch"],
    "tensor_parallel_size": AtLeastOne,
    "pipeline_parallel_size": AtLeastOne,
    "context_parallel_size": AtLeastOne,
    "gpus_per_node": AtLeastOne | None,
    "moe_cluster_parallel_size": int | None,
    "moe_tensor_parallel_size": int | None,
    "moe_expert_parallel_size": int | None,
    "enable_attention_dp": bool,
    "enable_lm_head_tp_in_adp": bool,
    "max_batch_size": AtLeastOne | None,
    "max_num_tokens": AtLeastOne | None,
    "max_seq_len": AtLeastOne | None,
    "max_input_len": AtLeastOne | None,
    "max_beam_width": AtLeastOne | None,
    "enable_chunked_prefill": bool,
    "disable_overlap_scheduler": bool,
    "print_iter_log": bool,
    "stream_interval": AtLeastOne,
    "enable_iter_perf_stats": bool,
    "enable_iter_req_stats": bool,
    "enable_autotuner": bool,
    "enable_min_latency": bool,
    "trust_remote_code": bool,
    "skip_tokenizer_init": bool,
    "return_perf_metrics": bool,
    "dtype": str,
    "attn_backend": str,
    "guided_decoding_backend": Literal["xgrammar", "llguidance"] | None,
    "allreduce_strategy": Literal[
        "AUTO",
        "NCCL",
        "UB",
        "MINLATENCY",
        "ONESHOT",
        "TWOSHOT",
        "LOWPRECISION",
        "MNNVL",
        "NCCL_SYMMETRIC",
    ]
    | None,
    "batch_wait_timeout_ms": Annotated[float, Field(ge=0)],
    "batch_wait_timeout_iters": AtLeastZero,
    "batch_wait_max_tokens_ratio": Share,
    "moe_config": MOE,
    "kv_cache_config": KV_CACHE,
    "cuda_graph_config": CUDA_GRAPH,
    "cache_transceiver_config": CACHE_TRANSCEIVER,
    "attention_dp_config": ATTENTION_DP,
    "scheduler_config": SCHEDULER,
    "torch_compile_config": TORCH_COMPILE,
}

_KNOWN_ONLY = """
    batched_logits_processor checkpoint_format checkpoint_loader cp_config custom_tokenizer
    decoding_config disable_flashinfer_sampling dwdp_config enable_early_first_token_response
    enable_energy_metrics enable_layerwise_nvtx_marker enable_lora
    enable_low_latency_host_dispatch enable_resource_governor
    enable_speculative_beam_history_d2h encode_only encoder_max_batch_size
    encoder_max_num_tokens env_overrides force_dynamic_quantization
    garbage_collection_gen0_threshold gather_generation_logits gms_config hf_revision
    iter_stats_max_iterations kv_cache_compression_config kv_connector_config
    layer_wise_benchmarks_config load_format lora_config max_stats_len mm_encoder_only model
    model_kwargs multimodal_config mx_config num_postprocess_workers nvfp4_gemm_config
    orchestrator_type otlp_traces_endpoint peft_cache_config perf_metrics_max_requests
    post_processor_hook postprocess_tokenizer_dir pp_partition prometheus_metrics_config
    ray_placement_config ray_worker_extension_cls ray_worker_nsight_options reasoning_parser
    reorder_policy_config request_stats_max_iterations revision sampler_force_async_worker
    sampler_type sleep_config sparse_attention_config speculative_config telemetry_config
    tokenizer tokenizer_mode tokenizer_revision use_cute_dsl_bf16_bmm use_cute_dsl_bf16_gemm
    use_cute_dsl_blockscaling_bmm use_cute_dsl_blockscaling_mm
"""

_CUDA_GRAPH_KEY = "the key {} of the section cuda_graph_config"

ENGINE = Section(
    {**dict.fromkeys(_KNOWN_ONLY.split(), Any), **_CHECKED},
    nullable=False,
    renamed={
        "pytorch_backend_config": "its keys at the top level",
        "use_cuda_graph": "the section cuda_graph_config, or `cuda_graph_config: null`",
        "cuda_graph_padding_enabled": _CUDA_GRAPH_KEY.format("enable_padding"),
        "cuda_graph_batch_sizes": _CUDA_GRAPH_KEY.format("batch_sizes"),
        "cuda_graph_max_batch_size": _CUDA_GRAPH_KEY.format("max_batch_size"),
        "kv_cache_dtype": "the key dtype of the section kv_cache_config",
        "moe_backend": "the key backend of the section moe_config",
        "moe_max_num_tokens": "the key max_num_tokens of the section moe_config",
        "moe_load_balancer": "the key load_balancer of the section moe_config",
        "enable_overlap_scheduler": "disable_overlap_scheduler, which says the opposite",
        "autotuner_enabled": "enable_autotuner",
        "torch_compile_enabled": "the section torch_compile_config",
        "enable_trtllm_sampler": "sampler_type",
        "mixed_sampler": "nothing: the sampler now mixes by itself",
        "enable_mixed_sampler": "nothing: the sampler now mixes by itself",
        "build_config": "max_batch_size, max_num_tokens, max_seq_len at the top level",
        "tp_size": "tensor_parallel_size",
        "pp_size": "pipeline_parallel_size",
        "cp_size": "context_parallel_size",
        "ep_size": "moe_expert_parallel_size",
        "expert_parallel_size": "moe_expert_parallel_size",
        "moe_ep_size": "moe_expert_parallel_size",
    },
)
