"""The AutoDeploy backend: not emulated."""

from __future__ import annotations

from typing import Any


class LLM:
    """Refuses to be made."""

    def __init__(self, **_: Any) -> None:
        raise NotImplementedError(
            "the emulated engine has no AutoDeploy backend; use backend: pytorch"
        )
