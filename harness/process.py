"""Run one external program with a deadline; no shell, no inherited standard input."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import InfraError


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its words, exit status and output (text, UTF-8)."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class CommandTimeout(InfraError):
    """A program did not end within its deadline and was killed; ``output`` is what it had said."""

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class CommandMissing(InfraError):
    """A program is not installed here, not on PATH, or not to be executed."""


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> Completed:
    """Run ``argv`` to its end and return what it said; the exit status is the caller's to judge.

    Raises :class:`CommandTimeout` after ``timeout_s`` seconds, :class:`CommandMissing` when there
    is no such program.
    """
    try:
        done = subprocess.run(
            list(argv),
            capture_output=True,
            check=False,
            encoding="utf-8",
            env=None if env is None else dict(env),
            errors="replace",
            input=stdin if stdin is not None else "",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as expired:
        raise CommandTimeout(
            f"`{' '.join(argv)}` did not end within {timeout_s:.0f} s{_said(expired)}",
            output=_text(expired.stdout),
        ) from expired
    except OSError as refused:
        raise CommandMissing(
            f"`{argv[0]}` cannot be run: {refused.strerror}; wanted to run `{' '.join(argv)}`",
        ) from refused
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def _said(expired: subprocess.TimeoutExpired) -> str:
    text = _text(expired.stderr)
    last = text.strip().splitlines()[-1:] or [""]
    return f"; its last words: {last[0]}" if last[0] else ""


def _text(raw: bytes | str | None) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""
