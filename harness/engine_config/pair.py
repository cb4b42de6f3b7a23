"""What a prefill and a decode config must agree on to hand over a KV cache."""

from __future__ import annotations

from collections.abc import Iterator

from harness.engine_config.config import EngineConfig
from harness.engine_config.problem import Problem, as_error, broken

_SECTION = "cache_transceiver_config"
_BACKEND = f"{_SECTION}.backend"
_BUFFER = f"{_SECTION}.max_tokens_in_buffer"


def check_prefill_decode_pair(
    prefill: EngineConfig, decode: EngineConfig, *, prompt_tokens: int = 0
) -> None:
    """Raise one :class:`~harness.errors.EngineConfigError` where the two do not go together.

    Both need the same KV cache type and the same transceiver, named outright (what ``DEFAULT``
    stands for differs between releases), with a buffer that the longest prompt fits into.
    """
    problems = [
        *_differences(prefill, decode),
        *_transceiver(prefill, prompt_tokens),
        *_transceiver(decode, prompt_tokens),
    ]
    if problems:
        raise as_error(problems)


def _differences(prefill: EngineConfig, decode: EngineConfig) -> Iterator[Problem]:
    backends = [config.document.values.get(_BACKEND) for config in (prefill, decode)]
    for key, here, there in (
        ("kv_cache_config.dtype", decode.kv_cache_dtype, prefill.kv_cache_dtype),
        (_BACKEND, backends[1], backends[0]),
    ):
        if here != there:
            text = broken(f"{there}, as in {prefill.path.name}", here, fix="both roles must agree")
            yield decode.document.problem(key, text, near=_SECTION)


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
