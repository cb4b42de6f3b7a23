"""``torch.nn``: one name, for annotations."""

from __future__ import annotations

from typing import Any


class Module:
    """No module can be made here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError(
            "torch.nn.Module: this is a stand-in for PyTorch that cannot compute"
        )
