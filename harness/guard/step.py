"""Pure: the step of guards, one task a node, outside the container."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.sent import program_text
from harness.slurm.client import HOST_PATH
from harness.slurm.srun import StepSpec

PROGRAM = Path(__file__).with_name("program")
MODULES = ("processes", "shm", "steps", "sampler", "guard")
"""The program's modules, each after those that it imports; the last one has ``main``."""

BOOT = 'import json; exec(json.loads(open(0, "rb", buffering=0, closefd=False).readline()), {})'
"""Run the program that comes as the first line of standard input, and leave the rest unread."""


def program_line() -> bytes:
    """Return the first line of a guard's standard input: its program.

    Sent like this it needs no file that every node sees, and its text is not in every `ps`.
    """
    text = program_text(PROGRAM, "harness.guard.program", MODULES)
    return json.dumps(text).encode() + b"\n"


def guard_step(
    name: str, options: Sequence[str], *, job_id: str, nodes: Sequence[str], account: str
) -> StepSpec:
    """Return the step that runs the guard's program with these options on nodes."""
    return StepSpec(
        name=name,
        job_id=job_id,
        nodes=tuple(nodes),
        tasks_per_node=1,
        command=("python3", "-I", "-S", "-c", BOOT, *options),
        account=account,
        # One guard's end is no reason for another's, nor is a node that fails.
        options=("--kill-on-bad-exit=0", "--no-kill", "--wait=0"),
        variables={"PATH": HOST_PATH},
    )


def guard_options(
    run_id: str,
    *,
    job_id: str,
    head: str,
    drain_s: float,
    kill_wait_s: float,
    programs: Sequence[str],
) -> tuple[str, ...]:
    """Return the guard's options; ``programs`` are the paths of squeue and scancel."""
    squeue, scancel = programs
    return (
        f"--run={run_id}",
        f"--job={job_id}",
        f"--head={head}",
        f"--drain-s={drain_s:g}",
        f"--kill-wait-s={kill_wait_s:g}",
        f"--squeue={squeue}",
        f"--scancel={scancel}",
    )
