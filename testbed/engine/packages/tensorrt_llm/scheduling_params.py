"""Where one request wants to run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class SchedulingParams:
    """Attention-DP placement: the rank that takes a request, strictly or if it has room."""

    attention_dp_rank: int | None = None
    attention_dp_relax: bool | None = None
    agent_hierarchy: list[tuple[str, int]] | None = None


@dataclass
class ConversationParams:
    """The conversation a request belongs to."""

    conversation_id: str | None = None
