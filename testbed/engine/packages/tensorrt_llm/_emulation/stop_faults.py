"""How a rank fails when its engine is shut down, for tests of whoever has to notice.

``EMULATED_TRTLLM_STOP`` is a list of ``[RANK=]FAULT``; without a rank it holds for all. A fault is
a name, some with a value after a colon: ``9=keep-shm,3=keep-gpu,slow-gpu:5,0=exit:3``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .fault_list import faults_of

KEEP_SHM = "keep-shm"
KEEP_GPU = "keep-gpu"
KEEP_GPU_UNMARKED = "keep-gpu-unmarked"
SLOW_GPU = "slow-gpu"
HANG = "hang"
EXIT = "exit"

_LONGEST_S = 86400
_EXIT_CODES = range(1, 256)


@dataclass(frozen=True)
class StopFaults:
    """What one rank does wrong; by default nothing."""

    keep_shm: bool = False
    """Its files in /dev/shm stay."""
    keep_gpu: bool = False
    """A child of it lives on, with its GPU memory, its open devices and its environment."""
    keep_gpu_unmarked: bool = False
    """The same without the environment: only what it has open tells whose it is."""
    gpu_back_s: float = 0.0
    """Seconds from the release of GPU memory until the driver has it back."""
    hang: bool = False
    """It stops for ever before it has given anything back."""
    exit_code: int = 0
    """What its process ends with."""


def parse_stop_faults(text: str, rank: int) -> StopFaults:
    """Return the faults of one rank; raise ValueError for what is not in the grammar."""
    return faults_of(text, rank, none=StopFaults(), add=_with_fault)


def _with_fault(faults: StopFaults, text: str) -> StopFaults:
    name, separator, value = text.partition(":")
    if name == SLOW_GPU:
        return replace(faults, gpu_back_s=_seconds(text, value))
    if name == EXIT:
        return replace(faults, exit_code=_exit_code(text, value))
    fields = {
        KEEP_SHM: "keep_shm",
        KEEP_GPU: "keep_gpu",
        KEEP_GPU_UNMARKED: "keep_gpu_unmarked",
        HANG: "hang",
    }
    if name not in fields or separator:
        known = ", ".join([*fields, f"{SLOW_GPU}:SECONDS", f"{EXIT}:CODE"])
        raise ValueError(f"expected one of {known}, got {text!r}")
    return replace(faults, **{fields[name]: True})


def _seconds(text: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < _LONGEST_S:
        raise ValueError(f"expected {SLOW_GPU}:SECONDS, got {text!r}")
    return seconds


def _exit_code(text: str, value: str) -> int:
    if not value.isdigit() or int(value) not in _EXIT_CODES:
        raise ValueError(f"expected {EXIT}:CODE with a code from 1 to 255, got {text!r}")
    return int(value)
