"""The LLM API."""

from __future__ import annotations

from .._lazy import lazy_names

_SECTIONS = (
    "CapacitySchedulerPolicy",
    "DynamicBatchConfig",
    "KvCacheConfig",
    "SchedulerConfig",
    "MoeConfig",
)

# There is no BuildConfig: rc21 removed it, and Dynamo's worker looks for its absence.
__getattr__ = lazy_names(
    __name__,
    {
        **dict.fromkeys(_SECTIONS, ".config_sections"),
        "LLM": ".llm",
        "BaseLLM": ".llm",
        "SamplingParams": "..sampling_params",
        "DisaggregatedParams": "..disaggregated_params",
        "ConversationParams": "..scheduling_params",
        "LlmArgs": ".llm_args",
        "TorchLlmArgs": ".llm_args",
    },
)
