"""Replace this process by a command, with a shell's words and codes when it cannot be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def become(command: Sequence[str]) -> NoReturn:
    """Execute `command`; ends with 127 when it is not found and 126 when it cannot be run."""
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - no shell is meant
    except OSError as error:
        os.write(2, f"testbed: {command[0]}: {error.strerror}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)
