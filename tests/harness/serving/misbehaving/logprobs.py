"""Pretended log probabilities, in the two forms of OpenAI's API."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any
from zlib import crc32

from tests.harness.serving.misbehaving.words import words


def chat_logprobs(tokens: Sequence[str], alternatives: int) -> dict[str, Any]:
    """Return the log probabilities of ``tokens`` as a chat choice has them."""
    content = []
    for token in tokens:
        ranked = [_entry(*pair) for pair in _ranked(token, alternatives)]
        content.append({**_entry(token, _logprob(token)), "top_logprobs": ranked})
    return {"content": content}


def plain_logprobs(tokens: Sequence[str], alternatives: int, *, offset: int) -> dict[str, Any]:
    """Return them as a plain completion has them; ``offset`` is where in the text they begin."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": list(tokens),
        "token_logprobs": [_logprob(token) for token in tokens],
        "top_logprobs": [dict(_ranked(token, alternatives)) for token in tokens],
        "text_offset": offsets,
    }


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}


def _logprob(token: str) -> float:
    return round(-0.05 - crc32(token.encode("utf-8", "replace")) % 100 / 200, 3)


def _ranked(token: str, alternatives: int) -> list[tuple[str, float]]:
    """Return the likeliest tokens in this one's place, itself first."""
    seed = crc32(token.encode("utf-8", "replace"))
    others = (word for word in dict.fromkeys(islice(words(str(seed)), 60)) if word != token)
    chosen = [token, *others][:alternatives]
    return [(each, round(_logprob(token) - 0.75 * place, 3)) for place, each in enumerate(chosen)]
