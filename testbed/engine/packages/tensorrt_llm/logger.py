"""Log lines as TensorRT-LLM writes them, without the weight of the logging module."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Logger:
    """Writes ``[11/23/2026-22:40:11] [TRT-LLM] [RANK 3] [I] text`` to standard output."""

    def __init__(self) -> None:
        self.level = "info"
        self.rank: int | None = None

    def set_rank(self, rank: int) -> None:
        """Name the rank in every further line."""
        self.rank = rank

    def set_level(self, level: str) -> None:
        """Accept a level, as callers of the real one expect."""
        self.level = level

    def info(self, *parts: object) -> None:
        """Write an information."""
        self._write("I", parts)

    def warning(self, *parts: object) -> None:
        """Write a warning."""
        self._write("W", parts)

    def error(self, *parts: object) -> None:
        """Write an error."""
        self._write("E", parts)

    def debug(self, *parts: object) -> None:
        """Write nothing: debugging is off."""

    def _write(self, severity: str, parts: tuple[object, ...]) -> None:
        rank = "" if self.rank is None else f" [RANK {self.rank}]"
        stamp = time.strftime("%m/%d/%Y-%H:%M:%S")
        text = " ".join(map(str, parts))
        say(
            "".join(
                f"[{stamp}] [TRT-LLM]{rank} [{severity}] {line}\n"
                for line in text.splitlines() or [""]
            )
        )


def say(text: str, stream: TextIO | None = None) -> None:
    """Write in one piece, so that lines of several ranks do not mix."""
    stream = stream or sys.stdout
    stream.write(text)
    stream.flush()


def print_colored(text: str, color: str = "yellow", writer: TextIO | None = None) -> None:
    """Write coloured text to standard error."""
    code = {"yellow": 33, "red": 31, "green": 32, "grey": 90}.get(color, 0)
    say(f"\033[{code}m{text}\033[0m", writer or sys.stderr)


logger = Logger()
