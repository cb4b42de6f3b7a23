"""What the engine is told besides its environment: files that whoever breaks a testbed writes.

``/srv/emulated-trtllm/all.env`` holds for every process, ``<host name>.env`` for those of one node;
a line is ``NAME=VALUE``. They win over the environment, and hold from the next look on: nobody who
started the process knows of them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path("/srv/emulated-trtllm")


def environment(folder: Path = FOLDER) -> Mapping[str, str]:
    """Return the environment of this process with what the files say."""
    told = dict(os.environ)
    for name in ("all", socket.gethostname()):
        told.update(_pairs(folder / f"{name}.env"))
    return told


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        name, separator, value = line.partition("=")
        if separator:
            yield name.strip(), value.strip()
