"""What a prefill engine hands to a decode engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class DisaggregatedParams:
    """One request's way through prefill and decode."""

    request_type: str | None = None
    first_gen_tokens: list[int] | None = None
    first_gen_log_probs: list[Any] | None = None
    ctx_request_id: int | None = None
    opaque_state: bytes | str | None = None
    draft_tokens: list[int] | None = None
    disagg_request_id: int | None = None
    ctx_dp_rank: int | None = None
    ctx_info_endpoint: list[str] | str | None = None
    schedule_style: Any = None
    ctx_usage: dict[str, Any] | None = None
    conversation_id: str | None = None
    multimodal_embedding_handles: list[dict[str, Any]] | None = None
    multimodal_hashes: list[list[int]] | None = None
    mrope_position_ids_handle: dict[str, Any] | None = None
    mrope_position_deltas_handle: dict[str, Any] | None = None
