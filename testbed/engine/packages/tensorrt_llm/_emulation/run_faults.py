"""How an engine fails while it loads and serves, for tests of whoever has to notice.

``EMULATED_TRTLLM_FAULT`` is a list as in :mod:`.fault_list`. ``exit-early``, ``zombie`` and
``truncate`` are faults of the LLM's process: they belong to rank 0. A rank with such a fault says
nothing of it but what a real one would say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .fault_list import faults_of

TRUNCATE = "truncate"
_FIELDS = {
    "fail-init": "fail_init",
    "fail-init-silent": "fail_init_silent",
    "exit-early": "exit_early",
    "crash": "crash",
    "hang": "hang",
    "zombie": "zombie",
}


@dataclass(frozen=True)
class RunFaults:
    """What one rank does wrong; by default nothing."""

    fail_init: bool = False
    """An error while it loads, which it reports to its leader."""
    fail_init_silent: bool = False
    """The same, and nobody is told: the others wait for it for ever."""
    exit_early: bool = False
    """The LLM's process ends with 0 instead of loading."""
    crash: bool = False
    """A fatal CUDA error at its next iteration; the process ends with 1."""
    hang: bool = False
    """Its next iteration does not end; the process lives and says nothing."""
    zombie: bool = False
    """Every request fails, though the engine says that it is well."""
    truncate_after: int | None = None
    """Answers end after so many tokens, without a reason."""


def parse_run_faults(text: str, rank: int) -> RunFaults:
    """Return the faults of one rank; raise ValueError for what is not in the grammar."""
    return faults_of(text, rank, none=RunFaults(), add=_with_fault)


def _with_fault(faults: RunFaults, text: str) -> RunFaults:
    name, separator, value = text.partition(":")
    if name == TRUNCATE and value.isdigit():
        return replace(faults, truncate_after=int(value))
    if name not in _FIELDS or separator:
        known = ", ".join([*_FIELDS, f"{TRUNCATE}:TOKENS"])
        raise ValueError(f"expected one of {known}, got {text!r}")
    return replace(faults, **{_FIELDS[name]: True})
