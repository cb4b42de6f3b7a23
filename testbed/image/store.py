"""A folder of things that are dear to make.

Whole or absent, made by one at a time, found again by their key.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from testbed.image.errors import ImageBuildError

_CHUNK = 1 << 20
_KEPT_OLD = 1
"""Earlier versions of a thing that stay: a testbed may run on one."""


def digest(*parts: str | bytes) -> str:
    """Return a short key over texts, each told from the next."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()[:16]


def digest_of_folder(folder: Path) -> str:
    """Return a key over all files of a folder.

    Names, contents, and whether they can be executed.
    """
    parts: list[str | bytes] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            parts += [
                str(path.relative_to(folder)),
                str(os.access(path, os.X_OK)),
                path.read_bytes(),
            ]
    return digest(*parts)


@contextlib.contextmanager
def one_at_a_time(folder: Path, *, timeout_s: float, log: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder's lock; raise ImageBuildError when another process keeps it too long."""
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + timeout_s
    told = False
    with (folder / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    log("another process builds the image; waiting for it")
                    told = True
                if time.monotonic() > end:
                    raise ImageBuildError(
                        f"image: another process has held {folder}/.lock for {timeout_s:.0f} s"
                    ) from None
                time.sleep(0.1)
        yield


@contextlib.contextmanager
def draft_in(folder: Path) -> Iterator[Path]:
    """Give a folder to build in, on the same file system; what is left in it goes away."""
    clear_drafts(folder)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def clear_drafts(folder: Path) -> None:
    """Remove what interrupted builds left (only the holder of the lock may)."""
    for left in folder.glob(".draft-*"):
        shutil.rmtree(left, ignore_errors=True)


def drop_old(folder: Path, pattern: str, *, keep: Path) -> None:
    """Remove all but the newest earlier versions of a thing."""
    others = sorted(
        (p for p in folder.glob(pattern) if p != keep),
        key=lambda p: p.stat().st_mtime,
        reverse=True,
    )
    for old in others[_KEPT_OLD:]:
        _stamp_of(old).unlink(missing_ok=True)
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)


# --------------------------------------------------------------------------- one file, whole or not


def stamp_file(path: Path) -> None:
    """Note a finished file's checksum beside it, so that :func:`is_whole` can tell later."""
    _write_stamp(path, _sha256(path))


def is_whole(path: Path) -> bool:
    """Whether a file is as it was stamped.

    Size, inode and time of change tell without reading, as long as nobody touched the file; else
    its content is compared.
    """
    try:
        stamp = json.loads(_stamp_of(path).read_text(encoding="utf-8"))
        facts = path.stat()
        if stamp["bytes"] != facts.st_size:
            return False
        if stamp["seen"] == [facts.st_ino, facts.st_mtime_ns]:
            return True
        if _sha256(path) != stamp["sha256"]:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    _write_stamp(path, stamp["sha256"])
    return True


def _write_stamp(path: Path, sha256: str) -> None:
    facts = path.stat()
    stamp = {"bytes": facts.st_size, "sha256": sha256, "seen": [facts.st_ino, facts.st_mtime_ns]}
    draft = _stamp_of(path).with_suffix(".draft")
    draft.write_text(json.dumps(stamp), encoding="utf-8")
    draft.replace(_stamp_of(path))


def _stamp_of(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


# ------------------------------------------------------------------------- one folder, whole or not


def count_folder(folder: Path) -> dict[str, int]:
    """Return how many files a folder has and their bytes.

    What an interrupted or lost copy cannot match.
    """
    files = total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            files += 1
            total += Path(base, name).lstat().st_size
    return {"files": files, "bytes": total}


def stamp_folder(folder: Path) -> None:
    """Note a finished folder's count beside it."""
    _stamp_of(folder).write_text(json.dumps(count_folder(folder)), encoding="utf-8")


def is_whole_folder(folder: Path) -> bool:
    """Whether a folder has as many files and bytes as when it was stamped."""
    try:
        noted = json.loads(_stamp_of(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(noted == count_folder(folder))
