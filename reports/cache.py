"""The folder outside the checkout where downloaded tools stay, and how one gets there whole."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reports.errors import ReportError

SEAL = ".whole"


def cache_folder() -> Path:
    """Return ``$XDG_CACHE_HOME/dynamo-multinode-qualification``; it need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dynamo-multinode-qualification"


def is_whole(folder: Path) -> bool:
    """Tell whether ``folder`` still holds the files it was sealed with, by number and size."""
    try:
        return (folder / SEAL).read_text(encoding="utf-8") == _measure(folder)
    except OSError:
        return False


def fill(folder: Path, make: Callable[[Path], None]) -> None:
    """Have ``make`` fill a draft, seal it, and put it in ``folder``'s place.

    Nothing half-made stays. Whoever comes at the same time waits, and finds it done.
    Raises :class:`ReportError` as ``make`` does, or when the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(f"{folder.name}.lock")):
            if not is_whole(folder):
                _fill(folder, make)
    except OSError as error:
        hint = "set XDG_CACHE_HOME to a folder that can be written"
        raise ReportError(f"the cache {folder} cannot be filled: {error}", hint=hint) from error


def _fill(folder: Path, make: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=".draft.", dir=folder.parent) as room:
        draft = Path(room) / "draft"
        draft.mkdir()
        make(draft)
        (draft / SEAL).write_text(_measure(draft), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)


def _measure(folder: Path) -> str:
    sizes = [
        os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 - thousands of files, each time
        for where, _, names in os.walk(folder)
        for name in names
        if name != SEAL
    ]
    return f"{len(sizes)} files, {sum(sizes)} bytes\n"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
