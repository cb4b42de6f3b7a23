"""What can be set from outside: EMULATED_TRTLLM_* variables, from where told.py has them."""

from __future__ import annotations

from collections.abc import Mapping

from .run_faults import RunFaults, parse_run_faults
from .stop_faults import StopFaults, parse_stop_faults
from .told import environment

LOAD_S = "EMULATED_TRTLLM_LOAD_S"
FIRST_TOKEN_MS = "EMULATED_TRTLLM_FIRST_TOKEN_MS"
INTER_TOKEN_MS = "EMULATED_TRTLLM_INTER_TOKEN_MS"
STOP = "EMULATED_TRTLLM_STOP"
FAULT = "EMULATED_TRTLLM_FAULT"
HARD_KILL_GRACE_S = "TLLM_RANK_CRASH_HARD_KILL_GRACE"

_DEFAULT_LOAD_S = 2.0
_DEFAULT_FIRST_TOKEN_MS = 20.0
_DEFAULT_INTER_TOKEN_MS = 2.0
# TensorRT-LLM's own default is 10 s: time for a client to read the first error. Nobody reads it
# here.
_DEFAULT_HARD_KILL_GRACE_S = 1.0


def load_seconds(rank: int, env: Mapping[str, str] | None = None) -> float:
    """Return how long this rank loads: ``2``, or ``2,9=7.5`` for another value on rank 9.

    Raise ValueError, with the variable's name, for anything else.
    """
    default, own = _DEFAULT_LOAD_S, None
    for part in filter(None, _told(env).get(LOAD_S, "").split(",")):
        key, separator, value = part.rpartition("=")
        seconds = _not_negative(LOAD_S, value)
        if not separator:
            default = seconds
        elif _whole(LOAD_S, key) == rank:
            own = seconds
    return default if own is None else own


def first_token_s(env: Mapping[str, str] | None = None) -> float:
    """Return the time from admission to the first token, in seconds."""
    return _milliseconds(FIRST_TOKEN_MS, env, _DEFAULT_FIRST_TOKEN_MS) / 1000


def inter_token_s(env: Mapping[str, str] | None = None) -> float:
    """Return the time between two tokens, in seconds."""
    return _milliseconds(INTER_TOKEN_MS, env, _DEFAULT_INTER_TOKEN_MS) / 1000


def stop_faults(rank: int, env: Mapping[str, str] | None = None) -> StopFaults:
    """Return what this rank is to do wrong at its end: ``9=keep-shm``, ``exit:3`` ...

    Raise ValueError, with the variable's name, for what is not known.
    """
    try:
        return parse_stop_faults(_told(env).get(STOP, ""), rank)
    except ValueError as error:
        raise ValueError(f"{STOP}: {error}") from None


def run_faults(rank: int, env: Mapping[str, str] | None = None) -> RunFaults:
    """Return what this rank is to do wrong while it loads and serves: ``2=crash``, ``zombie`` ...

    Raise ValueError, with the variable's name, for what is not known.
    """
    try:
        return parse_run_faults(_told(env).get(FAULT, ""), rank)
    except ValueError as error:
        raise ValueError(f"{FAULT}: {error}") from None


def hard_kill_grace_s(env: Mapping[str, str] | None = None) -> float | None:
    """Return the seconds between a lost rank and the end of its world.

    None when that is switched off.
    """
    try:
        grace = float(_told(env).get(HARD_KILL_GRACE_S) or _DEFAULT_HARD_KILL_GRACE_S)
    except ValueError:
        return _DEFAULT_HARD_KILL_GRACE_S
    return None if grace < 0 else grace


def _told(env: Mapping[str, str] | None) -> Mapping[str, str]:
    return environment() if env is None else env


def _milliseconds(name: str, env: Mapping[str, str] | None, default: float) -> float:
    return _not_negative(name, _told(env).get(name) or str(default))


def _not_negative(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 86400:
        raise ValueError(f"{name}: expected seconds or milliseconds from 0 on, got {text!r}")
    return value


def _whole(name: str, text: str) -> int:
    if not text.strip().isdigit():
        raise ValueError(f"{name}: expected RANK=SECONDS, got rank {text!r}")
    return int(text)
