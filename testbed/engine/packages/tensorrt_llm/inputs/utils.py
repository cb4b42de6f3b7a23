"""Loading of media: refused."""

from __future__ import annotations

from typing import Any


async def async_load_video(*_: Any, **__: Any) -> Any:
    """Refuse: the emulated engine knows text only."""
    raise NotImplementedError("the emulated engine takes text only")
