"""Put the container image and the model files into the cluster's shared file system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from testbed.cluster.paths import StateFolder, cache_folder

IMAGE_NAME = "dynamo-trtllm.sqsh"


def provide_image(state: StateFolder, *, log: Callable[[str], None]) -> Path:
    """Have the image built if missing, and seen at /srv/images; returns its path in the cache."""
    # A testbed without an image (`--no-image`) needs nothing of what the builder needs.
    from testbed.image import ensure_image, ensure_model  # noqa: PLC0415

    built = ensure_image(cache_folder(), log=log)
    ensure_model(state.shared / "hf")
    place(built, state.images / IMAGE_NAME)
    return built


def place(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, by link if the file system can, else by copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and _is_same(source, target):
        return
    new = target.with_suffix(".new")
    new.unlink(missing_ok=True)
    try:
        os.link(source, new)
    except OSError:
        shutil.copy2(source, new)
    new.replace(target)


def _is_same(source: Path, target: Path) -> bool:
    a, b = source.stat(), target.stat()
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
        return True
    return (a.st_size, int(a.st_mtime)) == (b.st_size, int(b.st_mtime))
