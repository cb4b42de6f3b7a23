"""Pure: how long a request may be, in TensorRT-LLM's words."""

from __future__ import annotations

from typing import Any

from ..executor.utils import RequestError
from ..logger import logger
from ..scheduling_params import SchedulingParams
from .llm_args import TorchLlmArgs


def check_prompt(args: TorchLlmArgs, prompt_tokens: int, *, generation_only: bool) -> None:
    """Raise RequestError for a prompt longer than one iteration takes.

    Only the prompt counts, and only without chunked prefill: TensorRT-LLM's PyTorch backend.
    """
    if args.enable_chunked_prefill or generation_only or args.max_num_tokens is None:
        return
    share = prompt_tokens / args.context_parallel_size
    if share > args.max_num_tokens:
        raise RequestError(
            f"The sum of prompt length ({share}), query length (0) should not exceed "
            f"max_num_tokens ({args.max_num_tokens})"
        )


def check_tokens(tokens: list[int], vocabulary_size: int) -> list[int]:
    """Return a prompt's tokens; raise RequestError when there are none, or the model lacks some."""
    if not tokens:
        raise RequestError("The prompt is empty")
    highest = max(tokens)
    if highest >= vocabulary_size or min(tokens) < 0:
        raise RequestError(f"Token ID out of range: {highest} of a vocabulary of {vocabulary_size}")
    return tokens


def check_rank(params: SchedulingParams | None, ranks: int) -> dict[str, Any]:
    """Return which rank must take a request (``rank``, ``relaxed``); any, without attention DP.

    Raise RequestError for a rank that is not there.
    """
    rank = params.attention_dp_rank if params is not None else None
    if params is None or rank is None or ranks == 1:
        return {}
    if not 0 <= rank < ranks:
        raise RequestError(f"attention_dp_rank ({rank}) must be from 0 to {ranks - 1}")
    return {"rank": rank, "relaxed": bool(params.attention_dp_relax)}


def deduce_max_tokens(wanted: int | None, prompt_tokens: int, max_seq_len: int) -> int:
    """Return how many tokens the answer may have at most.

    Raise RequestError when there is room for none.
    """
    room = max_seq_len - prompt_tokens
    if room <= 0:
        raise RequestError(
            f"`default_max_tokens` ({room}) must be greater than 0, "
            f"`default_max_tokens` ({room}) = max_seq_len ({max_seq_len}) "
            f"- `splited_prompt_len` ({prompt_tokens}) - `query_token_len` (0)"
        )
    if wanted is None:
        return room
    if wanted > room:
        logger.warning(
            f"User-specified `max_tokens` ({wanted}) is greater than deduced "
            f"`default_max_tokens` ({room}), using default_max_tokens instead."
        )
        return room
    return wanted
