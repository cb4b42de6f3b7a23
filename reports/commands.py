"""Run an external program with a deadline and without the variables that bend Node."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from reports.errors import ReportError

BENDING = ("NODE_OPTIONS", "NODE_PATH", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
SYSTEM_CERTIFICATES = {"NODE_USE_SYSTEM_CA": "1", "UV_SYSTEM_CERTS": "1"}
"""Behind a proxy with an authority of its own, only the machine's own certificates are right."""

TAIL_LINES = 12


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Return what ``argv`` printed; raise :class:`ReportError` when it failed or took too long."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            check=False,
            cwd=cwd,
            env=_environment(env or {}),
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as expired:
        message = f"`{' '.join(words)}` did not end within {timeout_s:.0f} s"
        raise ReportError(message) from expired
    except OSError as error:
        raise ReportError(f"`{words[0]}` cannot be run: {error}") from error
    if done.returncode != 0:
        said = "\n".join(done.stdout.strip().splitlines()[-TAIL_LINES:])
        raise ReportError(f"`{' '.join(words)}` ended with {done.returncode}:\n{said}")
    return done.stdout


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in BENDING}
    return {**SYSTEM_CERTIFICATES, **kept, **more}
