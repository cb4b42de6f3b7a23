"""Tensors shared between processes: a name for callers that import it."""

from __future__ import annotations

from typing import Any


class SharedTensorContainer:
    """Nothing here shares tensors."""

    @classmethod
    def from_dict(cls, *_: Any) -> SharedTensorContainer:
        """Refuse: the emulated engine knows text only."""
        raise NotImplementedError("the emulated engine takes text only")
