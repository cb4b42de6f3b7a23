"""The little of ``torch.cuda`` that is asked for outside a model."""

from __future__ import annotations

import importlib
from typing import Any


def device_count() -> int:
    """Return the emulated GPUs that this process may use."""
    gpu: Any = importlib.import_module("tensorrt_llm._emulation.gpu")
    return len(gpu.visible_gpus())


def is_available() -> bool:
    """Whether there is an emulated GPU."""
    return device_count() > 0


def synchronize() -> None:
    """Wait for nothing."""


def empty_cache() -> None:
    """Free nothing."""
