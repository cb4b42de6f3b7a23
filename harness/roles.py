"""What workers do in a deployment."""

from __future__ import annotations

from harness.compat import StrEnum


class Role(StrEnum):
    """What a worker does in a deployment."""

    AGGREGATED = "aggregated"
    PREFILL = "prefill"
    DECODE = "decode"

    @property
    def short(self) -> str:
        """The role's part of a worker's name."""
        return {"aggregated": "agg"}.get(self.value, self.value)

    @property
    def disaggregation_mode(self) -> str:
        """Value of DISAGGREGATION_MODE and ``--disaggregation-mode``."""
        return {"aggregated": "prefill_and_decode"}.get(self.value, self.value)
