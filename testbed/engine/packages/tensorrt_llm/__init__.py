"""An emulation of TensorRT-LLM for machines without GPUs: same names, same behaviour, no model.

``__version__`` says so, and so does the first line that every process of it prints.
"""

from __future__ import annotations

from ._lazy import lazy_names
from .version import __version__

__all__ = ["LLM", "BaseLLM", "MultimodalEncoder", "SamplingParams", "__version__"]

__getattr__ = lazy_names(
    __name__,
    {
        "LLM": ".llmapi.llm",
        "BaseLLM": ".llmapi.llm",
        "MultimodalEncoder": ".llmapi.llm",
        "SamplingParams": ".sampling_params",
        "DisaggregatedParams": ".disaggregated_params",
        "logger": ".logger",
    },
)
