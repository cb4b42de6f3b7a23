"""What a prefill and a decode config must agree on to hand over a KV cache."""

from __future__ import annotations

from collections.abc import Iterator

from harness.engine_config.config import EngineConfig
from harness.engine_config.problem import Problem, as_error, broken

_SECTION = "cache_transceiver_config"
_BACKEND = f"{_SECTION}.backend"
_BUFFER = f"{_SECTION}.max_tokens_in_buffer"
_BLOCK = "kv_cache_config.tokens_per_block"
_DEFAULT_BLOCK = 32
"""TensorRT-LLM's tokens of one KV block where the file is silent."""


def longest_prompt(
    prefill: EngineConfig, decode: EngineConfig, *, answer_tokens: int, otherwise: int
) -> int:
    """Return the tokens of the longest prompt that the two can answer with ``answer_tokens``.

    ``otherwise`` stands in where only the model limits it.
    """
    limits = [] if prefill.max_prompt_tokens is None else [prefill.max_prompt_tokens]
    if decode.max_seq_len is not None:
        limits.append(decode.max_seq_len - answer_tokens)
    return min(limits, default=otherwise)


def check_prefill_decode_pair(
    prefill: EngineConfig, decode: EngineConfig, *, prompt_tokens: int = 0
) -> None:
    """Raise one :class:`~harness.errors.EngineConfigError` where the two do not go together.

    Both need the same KV cache type, the same block size and the same transceiver, named outright
    (what ``DEFAULT`` stands for differs between releases), with a buffer that the longest prompt
    fits into; and what prefill takes, decode must have room for.
    """
    problems = [
        *_differences(prefill, decode),
        *_room(prefill, decode),
        *_transceiver(prefill, prompt_tokens),
        *_transceiver(decode, prompt_tokens),
    ]
    if problems:
        raise as_error(problems)


def _differences(prefill: EngineConfig, decode: EngineConfig) -> Iterator[Problem]:
    backends = [config.document.values.get(_BACKEND) for config in (prefill, decode)]
    blocks = [config.document.values.get(_BLOCK, _DEFAULT_BLOCK) for config in (prefill, decode)]
    for key, here, there in (
        ("kv_cache_config.dtype", decode.kv_cache_dtype, prefill.kv_cache_dtype),
        (_BLOCK, blocks[1], blocks[0]),
        (_BACKEND, backends[1], backends[0]),
    ):
        if here != there:
            text = broken(f"{there}, as in {prefill.path.name}", here, fix="both roles must agree")
            yield decode.document.problem(key, text, near=_SECTION)


def _room(prefill: EngineConfig, decode: EngineConfig) -> Iterator[Problem]:
    prompt, room = prefill.max_prompt_tokens, decode.max_seq_len
    if prompt is not None and room is not None and room <= prompt:
        text = broken(
            f"more than {prompt}, the longest prompt that {prefill.path.name} takes",
            room,
            fix="raise it, or lower max_seq_len there",
        )
        yield decode.document.problem("max_seq_len", text)


def _transceiver(config: EngineConfig, prompt_tokens: int) -> Iterator[Problem]:
    backend = config.document.values.get(_BACKEND)
    if backend in (None, "DEFAULT"):
        text = broken("a transceiver by its name, such as UCX", backend or "none")
        yield config.document.problem(_BACKEND, text, near=_SECTION)
    buffer = config.document.values.get(_BUFFER)
    if buffer is not None and buffer < prompt_tokens:
        longest = f"at least {prompt_tokens}, the tokens of the run's longest prompt"
        yield config.document.problem(
            _BUFFER, broken(longest, buffer, fix="a longer prompt waits for ever")
        )
