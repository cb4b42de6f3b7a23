"""The arguments of an LLM: keys, values and rules as TensorRT-LLM 1.3.0rc22 checks them, with its messages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Optional, Union  # noqa: UP035 - read at run time on Python 3.10

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

_NONE_MEANS_DEFAULT = ("max_batch_size", "max_input_len", "max_beam_width", "max_num_tokens")


class BaseLlmArgs(StrictBaseModel):
    """What every backend takes."""

    model: Union[str, Path]
    tokenizer: Optional[Any] = None
    tokenizer_mode: Literal["auto", "slow"] = "auto"
    custom_tokenizer: Optional[str] = None
    post_processor_hook: Optional[str] = None
    skip_tokenizer_init: bool = False
    trust_remote_code: bool = False
    tensor_parallel_size: int = 1
    dtype: str = "auto"
    revision: Optional[str] = None
    tokenizer_revision: Optional[str] = None
    model_kwargs: Optional[dict[str, Any]] = None
    pipeline_parallel_size: int = 1
    context_parallel_size: int = 1
    gpus_per_node: Optional[int] = Field(default=None, validate_default=True)
    moe_cluster_parallel_size: Optional[int] = None
    moe_tensor_parallel_size: Optional[int] = None
    moe_expert_parallel_size: Optional[int] = None
    enable_attention_dp: bool = False
    enable_lm_head_tp_in_adp: bool = False
    pp_partition: Optional[list[int]] = None
    cp_config: Optional[CpConfig] = None
    enable_lora: bool = False
    lora_config: Optional[Any] = None
    kv_cache_config: KvCacheConfig = Field(default_factory=KvCacheConfig)
    enable_chunked_prefill: bool = False
    guided_decoding_backend: Optional[Literal["xgrammar", "llguidance"]] = None
    batched_logits_processor: Optional[Any] = None
    iter_stats_max_iterations: Optional[int] = Field(default=None, ge=-1)
    request_stats_max_iterations: Optional[int] = Field(default=None, ge=-1)
    peft_cache_config: Optional[Any] = None
    scheduler_config: SchedulerConfig = Field(default_factory=SchedulerConfig)
    cache_transceiver_config: Optional[CacheTransceiverConfig] = None
    sparse_attention_config: Optional[Any] = None
    kv_cache_compression_config: Optional[Any] = None
    speculative_config: Optional[SpeculativeConfig] = None
    max_batch_size: Optional[int] = 2048
    max_input_len: Optional[int] = 1024
    max_seq_len: Optional[int] = None
    max_beam_width: Optional[int] = 1
    max_num_tokens: Optional[int] = 8192
    gather_generation_logits: bool = False
    num_postprocess_workers: int = 0
    postprocess_tokenizer_dir: Optional[str] = None
    reasoning_parser: Optional[str] = None
    decoding_config: Optional[Any] = None
    mpi_session: Optional[Any] = Field(default=None, exclude=True, alias="_mpi_session")
    otlp_traces_endpoint: Optional[str] = None
    return_perf_metrics: bool = False
    perf_metrics_max_requests: int = Field(default=0, ge=0)
    prometheus_metrics_config: Optional[Any] = None
    enable_energy_metrics: bool = False
    orchestrator_type: Optional[Literal["rpc", "ray"]] = None
    env_overrides: Optional[dict[str, Any]] = None
    telemetry_config: Optional[Any] = None

    @field_validator("gpus_per_node", mode="before")
    @classmethod
    def _count_gpus(cls, value: Optional[int]) -> int:
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
        if self.max_batch_size and self.max_num_tokens and self.max_batch_size > self.max_num_tokens:
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
    cuda_graph_config: Optional[CudaGraphConfig] = Field(default_factory=CudaGraphConfig)
    multimodal_config: Optional[Any] = None
    attention_dp_config: Optional[AttentionDpConfig] = None
    disable_overlap_scheduler: bool = False
    moe_config: MoeConfig = Field(default_factory=MoeConfig)
    nvfp4_gemm_config: Nvfp4GemmConfig = Field(default_factory=Nvfp4GemmConfig)
    dwdp_config: Optional[Any] = None
    encoder_max_batch_size: Optional[int] = None
    encoder_max_num_tokens: Optional[int] = None
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
    torch_compile_config: Optional[TorchCompileConfig] = None
    enable_autotuner: bool = True
    enable_layerwise_nvtx_marker: bool = False
    load_format: LoadFormat = LoadFormat.AUTO
    enable_min_latency: bool = False
    stream_interval: PositiveInt = 1
    force_dynamic_quantization: bool = False
    allreduce_strategy: Optional[
        Literal[
            "AUTO", "NCCL", "UB", "MINLATENCY", "ONESHOT", "TWOSHOT", "LOWPRECISION", "MNNVL", "NCCL_SYMMETRIC",
        ]
    ] = "AUTO"  # fmt: skip
    checkpoint_loader: Optional[Any] = None
    checkpoint_format: Optional[str] = None
    mx_config: Optional[Any] = None
    gms_config: Optional[Any] = None
    kv_connector_config: Optional[KvCacheConnectorConfig] = None
    mm_encoder_only: bool = False
    encode_only: bool = False
    ray_worker_extension_cls: Optional[str] = None
    ray_placement_config: Optional[Any] = None
    ray_worker_nsight_options: Optional[dict[str, str]] = None
    sleep_config: Optional[SleepConfig] = None
    reorder_policy_config: Optional[Any] = None
    enable_resource_governor: bool = False
    use_cute_dsl_blockscaling_mm: bool = False
    use_cute_dsl_blockscaling_bmm: bool = False
    use_cute_dsl_bf16_bmm: bool = False
    use_cute_dsl_bf16_gemm: bool = False
    disable_flashinfer_sampling: bool = False
    max_stats_len: int = Field(default=1000, ge=-1)
    layer_wise_benchmarks_config: Optional[Any] = None

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
