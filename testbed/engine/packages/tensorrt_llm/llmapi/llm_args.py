"""The arguments of an LLM.

Keys, values and rules as TensorRT-LLM 1.3.0rc22 checks them, with its messages.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveInt, field_validator, model_validator

from .._emulation.gpu import visible_gpus
from ..logger import logger
from .config_sections import (
    AttentionDpConfig,
    CacheTransceiverConfig,
    CpConfig,
    CudaGraphConfig,
    KvCacheConfig,
    KvCacheConnectorConfig,
    LoadFormat,
    MoeConfig,
    MoeLoadBalancerConfig,
    Nvfp4GemmConfig,
    SchedulerConfig,
    SleepConfig,
    SpeculativeConfig,
    StrictBaseModel,
    TorchCompileConfig,
)

TOKENIZER_ALIASES: dict[str, str] = {}
"""Custom tokenizers by short name: the emulation brings none."""

AllReduceStrategy = Literal[
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

_NONE_MEANS_DEFAULT = ("max_batch_size", "max_input_len", "max_beam_width", "max_num_tokens")


class BaseLlmArgs(StrictBaseModel):
    """What every backend takes."""

    model: str | Path
    tokenizer: Any | None = None
    tokenizer_mode: Literal["auto", "slow"] = "auto"
    custom_tokenizer: str | None = None
    post_processor_hook: str | None = None
    skip_tokenizer_init: bool = False
    trust_remote_code: bool = False
    tensor_parallel_size: int = 1
    dtype: str = "auto"
    revision: str | None = None
    tokenizer_revision: str | None = None
    model_kwargs: dict[str, Any] | None = None
    pipeline_parallel_size: int = 1
    context_parallel_size: int = 1
    gpus_per_node: int | None = Field(default=None, validate_default=True)
    moe_cluster_parallel_size: int | None = None
    moe_tensor_parallel_size: int | None = None
    moe_expert_parallel_size: int | None = None
    enable_attention_dp: bool = False
    enable_lm_head_tp_in_adp: bool = False
    pp_partition: list[int] | None = None
    cp_config: CpConfig | None = None
    enable_lora: bool = False
    lora_config: Any | None = None
    kv_cache_config: KvCacheConfig = Field(default_factory=KvCacheConfig)
    enable_chunked_prefill: bool = False
    guided_decoding_backend: Literal["xgrammar", "llguidance"] | None = None
    batched_logits_processor: Any | None = None
    iter_stats_max_iterations: int | None = Field(default=None, ge=-1)
    request_stats_max_iterations: int | None = Field(default=None, ge=-1)
    peft_cache_config: Any | None = None
    scheduler_config: SchedulerConfig = Field(default_factory=SchedulerConfig)
    cache_transceiver_config: CacheTransceiverConfig | None = None
    sparse_attention_config: Any | None = None
    kv_cache_compression_config: Any | None = None
    speculative_config: SpeculativeConfig | None = None
    max_batch_size: int | None = 2048
    max_input_len: int | None = 1024
    max_seq_len: int | None = None
    max_beam_width: int | None = 1
    max_num_tokens: int | None = 8192
    gather_generation_logits: bool = False
    num_postprocess_workers: int = 0
    postprocess_tokenizer_dir: str | None = None
    reasoning_parser: str | None = None
    decoding_config: Any | None = None
    mpi_session: Any | None = Field(default=None, exclude=True, alias="_mpi_session")
    otlp_traces_endpoint: str | None = None
    return_perf_metrics: bool = False
    perf_metrics_max_requests: int = Field(default=0, ge=0)
    prometheus_metrics_config: Any | None = None
    enable_energy_metrics: bool = False
    orchestrator_type: Literal["rpc", "ray"] | None = None
    env_overrides: dict[str, Any] | None = None
    telemetry_config: Any | None = None

    @field_validator("gpus_per_node", mode="before")
    @classmethod
    def _count_gpus(cls, value: int | None) -> int:
        if value is not None:
            return value
        found = len(visible_gpus())
        logger.warning(f"Using default gpus_per_node: {found}")
        return found

    @model_validator(mode="after")
    def _none_is_the_default(self) -> BaseLlmArgs:
        for name in _NONE_MEANS_DEFAULT:
            if getattr(self, name) is None:
                setattr(self, name, type(self).model_fields[name].default)
        return self

    @model_validator(mode="after")
    def _batch_fits_tokens(self) -> BaseLlmArgs:
        if (
            self.max_batch_size
            and self.max_num_tokens
            and self.max_batch_size > self.max_num_tokens
        ):
            logger.warning(
                f"max_batch_size [{self.max_batch_size}] should be less than or equal to "
                f"max_num_tokens [{self.max_num_tokens}]"
            )
        return self

    @property
    def world_size(self) -> int:
        """Ranks the model needs."""
        return self.tensor_parallel_size * self.pipeline_parallel_size * self.context_parallel_size

    @property
    def world_size_per_node(self) -> int:
        """Ranks on one node, as TensorRT-LLM counts them."""
        return self.world_size // math.ceil(self.world_size / max(1, self.gpus_per_node or 1))


class TorchLlmArgs(BaseLlmArgs):
    """What the PyTorch backend takes besides."""

    backend: Literal["pytorch"] = "pytorch"
    garbage_collection_gen0_threshold: int = 20000
    cuda_graph_config: CudaGraphConfig | None = Field(default_factory=CudaGraphConfig)
    multimodal_config: Any | None = None
    attention_dp_config: AttentionDpConfig | None = None
    disable_overlap_scheduler: bool = False
    moe_config: MoeConfig = Field(default_factory=MoeConfig)
    nvfp4_gemm_config: Nvfp4GemmConfig = Field(default_factory=Nvfp4GemmConfig)
    dwdp_config: Any | None = None
    encoder_max_batch_size: int | None = None
    encoder_max_num_tokens: int | None = None
    attn_backend: str = "TRTLLM"
    sampler_type: str = "auto"
    sampler_force_async_worker: bool = False
    enable_speculative_beam_history_d2h: bool = False
    enable_early_first_token_response: bool = False
    enable_low_latency_host_dispatch: bool = False
    enable_iter_perf_stats: bool = False
    enable_iter_req_stats: bool = False
    print_iter_log: bool = False
    batch_wait_timeout_ms: float = Field(default=0, ge=0)
    batch_wait_timeout_iters: int = Field(default=0, ge=0)
    batch_wait_max_tokens_ratio: float = Field(default=0, ge=0, le=1)
    torch_compile_config: TorchCompileConfig | None = None
    enable_autotuner: bool = True
    enable_layerwise_nvtx_marker: bool = False
    load_format: LoadFormat = LoadFormat.AUTO
    enable_min_latency: bool = False
    stream_interval: PositiveInt = 1
    force_dynamic_quantization: bool = False
    allreduce_strategy: AllReduceStrategy | None = "AUTO"
    checkpoint_loader: Any | None = None
    checkpoint_format: str | None = None
    mx_config: Any | None = None
    gms_config: Any | None = None
    kv_connector_config: KvCacheConnectorConfig | None = None
    mm_encoder_only: bool = False
    encode_only: bool = False
    ray_worker_extension_cls: str | None = None
    ray_placement_config: Any | None = None
    ray_worker_nsight_options: dict[str, str] | None = None
    sleep_config: SleepConfig | None = None
    reorder_policy_config: Any | None = None
    enable_resource_governor: bool = False
    use_cute_dsl_blockscaling_mm: bool = False
    use_cute_dsl_blockscaling_bmm: bool = False
    use_cute_dsl_bf16_bmm: bool = False
    use_cute_dsl_bf16_gemm: bool = False
    disable_flashinfer_sampling: bool = False
    max_stats_len: int = Field(default=1000, ge=-1)
    layer_wise_benchmarks_config: Any | None = None

    @field_validator("load_format", mode="before")
    @classmethod
    def _named_load_format(cls, value: Any) -> LoadFormat:
        if isinstance(value, LoadFormat):
            return value
        if isinstance(value, str) and value.upper() in LoadFormat.__members__:
            return LoadFormat[value.upper()]
        raise ValueError(f"Invalid LoadFormat: {value}")

    @model_validator(mode="after")
    def _read_load_balancer(self) -> TorchLlmArgs:
        balancer = self.moe_config.load_balancer
        if isinstance(balancer, str):
            self.moe_config.load_balancer = _balancer_from_file(balancer)
        elif isinstance(balancer, dict):
            try:
                self.moe_config.load_balancer = MoeLoadBalancerConfig(**balancer)
            except Exception as error:
                raise ValueError(f"Failed to load MoE load balancer config: {balancer}") from error
        return self


def _balancer_from_file(path: str) -> MoeLoadBalancerConfig:
    if not Path(path).exists():
        raise FileNotFoundError(f"MoE load balancer config file not found: {path}")
    try:
        return MoeLoadBalancerConfig(**yaml.safe_load(Path(path).read_text(encoding="utf-8")))
    except Exception as error:
        raise ValueError(f"Failed to load MoE load balancer config file: {path}") from error


LlmArgs = TorchLlmArgs

__all__ = [
    "TOKENIZER_ALIASES",
    "BaseLlmArgs",
    "KvCacheConnectorConfig",
    "LlmArgs",
    "LoadFormat",
    "SleepConfig",
    "TorchLlmArgs",
]
