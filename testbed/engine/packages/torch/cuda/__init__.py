"""The little of ``torch.cuda`` that is asked for outside a model."""

from __future__ import annotations


def device_count() -> int:
    """Return the emulated GPUs that this process may use."""
    from tensorrt_llm._emulation.gpu import visible_gpus  # noqa: PLC0415 - only when somebody asks

    return len(visible_gpus())


def is_available() -> bool:
    """Whether there is an emulated GPU."""
    return device_count() > 0


def synchronize() -> None:
    """Wait for nothing."""


def empty_cache() -> None:
    """Free nothing."""
