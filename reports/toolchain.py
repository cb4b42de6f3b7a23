"""Allure's modules, installed from its lock file into the cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reports.cache import cache_folder, fill, is_whole
from reports.commands import run
from reports.errors import ReportError
from reports.node import Node, ensure_node

RENDERER = Path(__file__).parent / "renderer"
LOCKED = ("package.json", "package-lock.json")
INSTALL_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Toolchain:
    """A Node, and the folder of Allure's modules to run with it."""

    node: Node
    modules: Path


def ensure_toolchain(say: Callable[[str], None]) -> Toolchain:
    """Return Node and Allure as locked, fetching what is missing or damaged.

    Raises :class:`ReportError` when a package cannot be had; the message names it.
    """
    node = ensure_node(say)
    home = cache_folder() / "renderer" / _key()
    if not is_whole(home):
        say(f"installing the report renderer into {home}")
        fill(home, lambda draft: _install(node, draft))
    return Toolchain(node, home / "node_modules")


def _key() -> str:
    digest = hashlib.sha256()
    for name in LOCKED:
        digest.update((RENDERER / name).read_bytes())
    return digest.hexdigest()[:16]


def _install(node: Node, folder: Path) -> None:
    for name in LOCKED:
        shutil.copyfile(RENDERER / name, folder / name)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--omit=dev"]
    npm_cache = cache_folder() / "npm"
    try:
        run(
            [*node.npm, "ci", *quiet, "--cache", npm_cache],
            cwd=folder,
            env={"PATH": node.search_path()},
            timeout_s=INSTALL_TIMEOUT_S,
        )
    except ReportError as error:
        hint = "let npm reach its registry (npm config), then: python -m reports --install"
        raise ReportError(
            f"the report renderer could not be installed: {error}", hint=hint
        ) from error
