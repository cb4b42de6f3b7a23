"""The sections of an engine config, with the keys and values TensorRT-LLM 1.3.0rc22 knows.

Source: tensorrt_llm/llmapi/llm_args.py of that release line. Every section is strict: a key it
does not know is refused by pydantic with ``Extra inputs are not permitted``. A value that only
matters to a GPU is accepted as it comes.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator


class StrictBaseModel(BaseModel):
    """A section that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())


class CapacitySchedulerPolicy(str, Enum):
    """Which requests may run together."""

    MAX_UTILIZATION = "MAX_UTILIZATION"
    GUARANTEED_NO_EVICT = "GUARANTEED_NO_EVICT"
    STATIC_BATCH = "STATIC_BATCH"


class ContextChunkingPolicy(str, Enum):
    """How long prompts are cut."""

    FIRST_COME_FIRST_SERVED = "FIRST_COME_FIRST_SERVED"
    EQUAL_PROGRESS = "EQUAL_PROGRESS"
    FORCE_CHUNK = "FORCE_CHUNK"


class WaitingQueuePolicy(str, Enum):
    """In which order waiting requests are taken."""

    FCFS = "fcfs"
    PRIORITY = "priority"


class LoadFormat(Enum):
    """How weights are loaded."""

    AUTO = 0
    DUMMY = 1
    VISION_ONLY = 2
    GMS = 3


class DynamicBatchConfig(StrictBaseModel):
    """``scheduler_config.dynamic_batch_config``."""

    enable_batch_size_tuning: bool = True
    enable_max_num_tokens_tuning: bool = False
    dynamic_batch_moving_average_window: int = 128


class SchedulerConfig(StrictBaseModel):
    """``scheduler_config``."""

    capacity_scheduler_policy: CapacitySchedulerPolicy = CapacitySchedulerPolicy.GUARANTEED_NO_EVICT
    context_chunking_policy: ContextChunkingPolicy | None = None
    dynamic_batch_config: DynamicBatchConfig | None = None
    waiting_queue_policy: WaitingQueuePolicy = WaitingQueuePolicy.FCFS
    use_python_scheduler: bool = False
    enable_prefix_aware_scheduling: bool = True


_TORCH_DTYPES = ("float16", "bfloat16", "float32", "int64", "int32", "int8", "bool", "fp8")


class KvCacheConfig(StrictBaseModel):
    """``kv_cache_config``."""

    enable_block_reuse: bool = True
    max_tokens: int | None = None
    max_attention_window: list[int] | None = Field(default=None, min_length=1)
    sink_token_length: int | None = None
    free_gpu_memory_fraction: float | None = Field(default=0.9, ge=0, le=1)
    host_cache_size: int | None = None
    disk_cache_size: int | None = Field(default=None, ge=0)
    disk_cache_path: str | None = None
    cross_kv_cache_fraction: float | None = None
    secondary_offload_min_priority: int | None = None
    event_buffer_max_size: int = 0
    attention_dp_events_gather_period_ms: int = 5
    enable_partial_reuse: bool = True
    copy_on_partial_reuse: bool = True
    use_uvm: bool = False
    max_gpu_total_bytes: int = Field(default=0, ge=0)
    iteration_stats_interval: PositiveInt = 1
    dtype: str = "auto"
    mamba_ssm_cache_dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    mamba_ssm_stochastic_rounding: bool = False
    mamba_ssm_philox_rounds: int = Field(default=10, ge=1)
    tokens_per_block: int = 32
    mamba_state_cache_interval: PositiveInt = 256
    use_kv_cache_manager_v2: bool = False
    enable_swa_scratch_reuse: bool = False
    kv_cache_event_hash_algo: Literal["auto", "v1_block_key", "v2_sha256", "v2_sha256_64"] = "auto"
    max_util_for_resume: float = Field(default=0.95, ge=0, le=1)
    enable_kv_pool_rebalance: bool = False
    disk_prefetch_num_reqs: int = Field(default=0, ge=0)
    pool_ratio: list[float] | None = Field(default=None, min_length=1)
    avg_seq_len: PositiveInt | None = None
    block_reuse_policy: Literal["all_reusable", "per_request"] = "all_reusable"

    @field_validator("dtype")
    @classmethod
    def _known_dtype(cls, value: str) -> str:
        value = value.lower()
        if value in ("auto", "nvfp4") or value in _TORCH_DTYPES:
            return value
        raise ValueError(
            'kv_cache_config.dtype must be one of "auto", "fp8", "nvfp4", '
            "or valid torch.dtype string"
        )


class CudaGraphConfig(StrictBaseModel):
    """``cuda_graph_config``."""

    mode: Literal["decode", "encode"] = "decode"
    batch_sizes: list[int] | None = None
    max_batch_size: int = Field(default=0, ge=0)
    enable_padding: bool = False
    num_tokens: list[PositiveInt] | None = None
    max_num_token: int = Field(default=0, ge=0)
    seq_lens: list[PositiveInt] | None = None
    max_seq_len: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _sizes_agree(self) -> CudaGraphConfig:
        if self.batch_sizes and self.max_batch_size not in (0, max(self.batch_sizes)):
            raise ValueError(
                "CudaGraphConfig.max_batch_size is incompatible with CudaGraphConfig.batch_sizes. "
                "When both are provided, max_batch_size must equal max(batch_sizes)."
            )
        return self


class MoeLoadBalancerConfig(StrictBaseModel):
    """The file (or mapping) behind ``moe_config.load_balancer``."""

    num_slots: int | None = None
    initial_global_assignments: dict[int, list[int]] | None = Field(default=None, repr=False)
    layer_updates_per_iter: int = 0


class MoeConfig(StrictBaseModel):
    """``moe_config``."""

    backend: Literal[
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
    ] = "AUTO"
    max_num_tokens: int | None = None
    load_balancer: object | str | None = None
    disable_finalize_fusion: bool = False
    use_low_precision_moe_combine: bool = False


class AttentionDpConfig(StrictBaseModel):
    """``attention_dp_config``."""

    enable_balance: bool = False
    timeout_iters: int = 50
    batching_wait_iters: int = 10
    enable_kv_cache_aware_routing: bool = False
    kv_cache_routing_load_balance_weight: float = 1.0
    kv_cache_routing_match_rate_threshold: float = 0.1
    kv_cache_routing_fair_share_multiplier: float = 2.0
    kv_cache_routing_cold_start_warmup: bool = False
    kv_cache_routing_account_for_in_transfer: bool = False
    kv_cache_routing_conversation_affinity: bool = False
    kv_cache_routing_max_sessions: int = 65536


class CacheTransceiverConfig(StrictBaseModel):
    """``cache_transceiver_config``."""

    backend: Literal["DEFAULT", "UCX", "NIXL", "MOONCAKE", "MPI"] | None = None
    transceiver_runtime: Literal["CPP", "PYTHON"] | None = None
    max_tokens_in_buffer: int | None = None
    kv_transfer_timeout_ms: PositiveInt | None = 60000
    kv_transfer_sender_future_timeout_ms: PositiveInt | None = 1000
    kv_transfer_poll_interval_ms: PositiveInt | None = 5000
    kv_cache_bounce_size_mb: int = Field(default=0, ge=0)


class CpConfig(StrictBaseModel):
    """``cp_config``."""

    cp_type: str = "ULYSSES"
    tokens_per_block: int | None = None
    use_nccl_for_alltoall: bool | None = None
    fifo_version: int | None = None
    cp_anchor_size: int | None = None
    block_size: int | None = None


class TorchCompileConfig(StrictBaseModel):
    """``torch_compile_config``."""

    enable_fullgraph: bool = True
    enable_inductor: bool = False
    enable_piecewise_cuda_graph: bool = False
    capture_num_tokens: list[PositiveInt] | None = None
    enable_userbuffers: bool = True
    max_num_streams: PositiveInt = 1


Nvfp4Backend = Literal["cutlass", "cublaslt", "cutedsl", "cuda_core", "marlin"]


class Nvfp4GemmConfig(StrictBaseModel):
    """``nvfp4_gemm_config``."""

    allowed_backends: list[Nvfp4Backend] = Field(
        default=["cutlass", "cublaslt", "cuda_core"], min_length=1
    )


class KvCacheConnectorConfig(StrictBaseModel):
    """``kv_connector_config``."""

    connector_module: str
    connector_scheduler_class: str
    connector_worker_class: str


class SleepConfig(StrictBaseModel):
    """``sleep_config``."""

    restore_modes: dict[str, Any] | None = None


class SpeculativeConfig(StrictBaseModel):
    """``speculative_config``: the keys that all kinds of speculation share, and those of MTP."""

    decoding_type: Literal[
        "Draft_Target",
        "Eagle",
        "Eagle3",
        "Lookahead",
        "Medusa",
        "MTP",
        "NGram",
        "SA",
        "User_Provided",
        "SaveState",
        "PARD",
        "DFlash",
        "AUTO",
    ]
    max_draft_len: int | None = Field(default=None, ge=0)
    max_total_draft_tokens: int | None = None
    speculative_model: str | None = None
    speculative_model_dir: str | None = None
    max_concurrency: PositiveInt | None = None
    draft_len_schedule: dict[int, int] | None = None
    load_format: str | None = None
    acceptance_window: int | None = Field(default=None, ge=0)
    acceptance_length_threshold: float | None = Field(default=None, ge=0)
    use_rejection_sampling: bool = False
    allow_advanced_sampling: bool = False
    num_nextn_predict_layers: int = 1
    use_relaxed_acceptance_for_thinking: bool = False
    relaxed_topk: int = 1
    relaxed_delta: float = 0.0
    use_mtp_vanilla: bool = False
    mtp_eagle_one_model: bool = True
    num_nextn_predict_layers_from_model_config: int | None = None
    eagle3_one_model: bool = True
    eagle3_layers_to_capture: list[int] | None = None
    max_matching_ngram_size: int | None = None
    is_keep_all: bool | None = None
    is_use_oldest: bool | None = None
    is_public_pool: bool | None = None
