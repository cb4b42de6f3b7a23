"""Run one external program with a deadline; no shell, no inherited standard input."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.deadline import Deadline
from harness.errors import InfraError

LOOK_S = 0.2
"""How often a program under way is asked whether its end is still waited for."""

LAST_WORDS_S = 1.0
"""For a killed program's output to come; what it started may hold that open."""


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
    given_up: Callable[[], str] = lambda: "",
) -> Completed:
    """Run ``argv`` to its end and return what it said; the exit status is the caller's to judge.

    Raises :class:`CommandTimeout` after ``timeout_s`` seconds, or as soon as ``given_up`` says why
    its end is not waited for any more; :class:`CommandMissing` when there is no such program.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=None if env is None else dict(env),
            errors="replace",
        )
    except OSError as refused:
        raise CommandMissing(
            f"`{argv[0]}` cannot be run: {refused.strerror}; wanted to run `{' '.join(argv)}`",
        ) from refused
    with process:
        return _ended(process, argv, stdin or "", deadline=Deadline.after(timeout_s), why=given_up)


def _ended(
    process: subprocess.Popen[str],
    argv: Sequence[str],
    stdin: str,
    *,
    deadline: Deadline,
    why: Callable[[], str],
) -> Completed:
    """Wait for the end of a program, and kill it when that is pointless."""
    given: str | None = stdin
    while True:
        try:
            out, err = process.communicate(given, timeout=deadline.capped(LOOK_S))
            return Completed(tuple(argv), process.returncode, out, err)
        except subprocess.TimeoutExpired:
            given = None
        except BaseException:  # Ctrl-C too must not leave it behind
            process.kill()
            raise
        if deadline.expired or why():
            out, err = _kill(process)
            words = f"did not end within {deadline.budget_s:.0f} s"
            if not deadline.expired:
                words = f"was given up after {deadline.elapsed_s:.1f} s: {why()}"
            raise CommandTimeout(f"`{' '.join(argv)}` {words}{_last_words(err)}", output=out)


def _kill(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.kill()
    try:
        return process.communicate(timeout=LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        return "", ""


def _last_words(stderr: str) -> str:
    last = stderr.strip().splitlines()[-1:]
    return f"; its last words: {last[0]}" if last else ""
