"""The canary: a short answer with tokens, which alone proves that a deployment serves."""

from __future__ import annotations

from typing import Any

from harness.serving.record import Record
from harness.serving.request import ChatRequest

CANARY_TOKENS = 4


def canary_request(model: str) -> ChatRequest:
    """Return a deterministic request for a few tokens that asks for the name of the worker."""
    request = ChatRequest.ask(
        model,
        "Are you there?",
        max_tokens=CANARY_TOKENS,
        temperature=0.0,
        extra={"ignore_eos": True},
    )
    return request.naming_workers()


def answered_tokens(record: Record) -> int:
    """Return the completion tokens of a whole answer with text; 0 for anything else."""
    answer: Any = record.json if record.status == 200 else None
    try:
        text = answer["choices"][0]["message"]["content"]
        tokens = answer["usage"]["completion_tokens"]
    except (KeyError, IndexError, TypeError):
        return 0
    return tokens if text and isinstance(tokens, int) else 0
