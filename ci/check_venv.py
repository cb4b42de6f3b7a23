"""Check that an environment is whole: what the lock pins is there, with every file of it.

``.venv/bin/python -I ci/check_venv.py LOCK [--content]`` exits 0 when the environment it runs in
is as locked, else 1 with the first fault. It compares versions and the sizes of all files (0.1 s),
with ``--content`` their SHA-256 too. Standard library only: it has to run in a broken environment.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*(.*))?$")
PYTHON_BELOW = re.compile(r"python_full_version < '3\.(\d+)'")


def pins(lock: str) -> Iterator[tuple[str, str]]:
    """Yield (name, version) of every pin of ``lock`` that is meant for this interpreter."""
    for line in lock.splitlines():
        found = PIN.match(line)
        if found and _wanted_here(found[3] or ""):
            yield found[1], found[2]


def _wanted_here(marker: str) -> bool:
    """Judge the few markers a lock of ours holds; an unknown one counts as not for here."""
    below = PYTHON_BELOW.fullmatch(marker)
    if below:
        return sys.version_info < (3, int(below[1]))
    return marker in {"", "platform_python_implementation != 'PyPy'"}


def first_fault(lock: str, *, content: bool) -> str:
    """Return what is wrong first, or an empty string."""
    for name, version in pins(lock):
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return f"{name} is not installed (want {version})"
        if found.version != version:
            return f"{name} is {found.version}, want {version}"
        fault = _file_fault(found, content=content)
        if fault:
            return f"{name}: {fault}"
    return ""


def _file_fault(distribution: metadata.Distribution, *, content: bool) -> str:
    for entry in distribution.files or []:
        if entry.size is None:
            continue
        path = Path(str(entry.locate()))
        try:
            size = path.stat().st_size
        except OSError:
            return f"{path} is missing"
        if size != entry.size:
            return f"{path} has {size} bytes, want {entry.size}"
        if content and entry.hash and _digest(path, entry.hash.mode) != entry.hash.value:
            return f"{path} is not what was published"
    return ""


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def main(argv: list[str]) -> int:
    """Print the first fault, if any, and return the exit status."""
    fault = first_fault(Path(argv[0]).read_text(encoding="utf-8"), content="--content" in argv)
    if fault:
        print(fault)
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
