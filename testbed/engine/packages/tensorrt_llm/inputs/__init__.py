"""Inputs other than text: there are none in the emulation."""

from __future__ import annotations

from typing import Any


def create_input_processor(*_: Any, **__: Any) -> Any:
    """Refuse: the emulated engine knows text only."""
    raise NotImplementedError("the emulated engine takes text only")
