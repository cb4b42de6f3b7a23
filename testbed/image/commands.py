"""Outside programs of the build: each with a deadline, its output in the error when it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.image.errors import ImageBuildError

_TAIL_LINES = 15


def run(
    command: Sequence[str], *, step: str, timeout_s: float, env: Mapping[str, str] | None = None
) -> str:
    """Run a program and return its output.

    Raise ImageBuildError with the end of it when it fails or hangs.
    """
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            env=dict(env) if env is not None else None,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        text = (
            error.output
            if isinstance(error.output, str)
            else (error.output or b"").decode(errors="replace")
        )
        raise ImageBuildError(
            f"image: {step} did not end within {timeout_s:.0f} s{_tail(text)}"
        ) from error
    except OSError as error:
        raise ImageBuildError(f"image: {step}: {command[0]} cannot be started: {error}") from error
    if done.returncode != 0:
        raise ImageBuildError(
            f"image: {step} failed: {command[0]} ended with exit code {done.returncode}"
            f"{_tail(done.stdout)}"
        )
    return done.stdout


def need(program: str, package: str) -> str:
    """Return the path of a program.

    Raise ImageBuildError that names the Debian package it comes with.
    """
    found = shutil.which(
        program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    if found is None:
        raise ImageBuildError(f"image: {program} is missing; Debian: apt-get install {package}")
    return found


def installer(python: Path) -> list[str]:
    """Return the command that installs packages into the environment of ``python``.

    Uv if there is one, else pip.
    """
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if Path(uv).exists():
        return [
            uv,
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--link-mode",
            "copy",
            "--python",
            str(python),
        ]
    return [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]


def _tail(text: str) -> str:
    lines = text.strip().splitlines()[-_TAIL_LINES:]
    return "".join(f"\n    {line}" for line in lines)
