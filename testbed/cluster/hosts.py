"""Run commands on the hosts of the testbed, outside Slurm, as an operator with ssh would."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"
BOOT = Path(__file__).with_name("boot.py")
COMMAND_DEADLINE_S = 20
_OUTER_PREFIXES = ("SLURM_", "SLURMD_", "SBATCH_", "SALLOC_", "SRUN_", "PMIX_", "PMI_", "OMPI_")


def boot_command(verb: str, *arguments: str) -> list[str]:
    """Return the command line of one of the testbed's own processes (see boot.py)."""
    return [SYSTEM_PYTHON, "-I", "-S", str(BOOT), verb, *arguments]


def enter_command(
    pid: int, command: Sequence[str], *, cwd: Path = Path("/"), gently: bool = False
) -> list[str]:
    """Return the command line that runs `command` in the namespaces of process `pid`."""
    ending = "term" if gently else "kill"
    return boot_command("enter", ending, str(pid), str(cwd), "--", *command)


def clean_environment(outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without traces of a Slurm or MPI this process may run under."""
    source = os.environ if outer is None else outer
    return {k: v for k, v in source.items() if not k.startswith(_OUTER_PREFIXES)}


def run_on(
    pid: int, command: Sequence[str], *, timeout_s: float = COMMAND_DEADLINE_S
) -> subprocess.CompletedProcess[str]:
    """Run `command` in the namespaces of `pid` and return its output; never raises for its code.

    Raises subprocess.TimeoutExpired after `timeout_s`; the command is killed then.
    """
    return subprocess.run(
        enter_command(pid, command),
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
