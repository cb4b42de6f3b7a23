"""Compile the SPANK plugin that takes Pyxis's options, once for each version of its source."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from testbed.cluster.errors import StartFailed
from testbed.cluster.paths import PROJECT_ROOT, StateFolder

SOURCES = PROJECT_ROOT / "testbed" / "spank"
ENROOT_SCRIPT = SOURCES / "enroot"
"""The `enroot` of the nodes, which tells its version and does no more."""

FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared")
COMPILE_DEADLINE_S = 60
PLUGIN_NAME = "spank_pyxis.so"
"""As on a site: Slurm names this file in the errors of a step whose container fails."""


def build_plugin(state: StateFolder) -> Path:
    """Return the compiled plugin; compiles it when its source, Slurm or the flags changed."""
    sources = sorted(SOURCES.glob("*.c"))
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    digest.update(Path("/usr/include/slurm/slurm_version.h").read_bytes())
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    target = state.plugin / digest.hexdigest()[:16] / PLUGIN_NAME
    if not target.exists():
        _compile(sources, target)
    return target


def _compile(sources: list[Path], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_suffix(f".{os.getpid()}.new")
    command = ["cc", *FLAGS, "-o", str(new), *map(str, sources)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=COMPILE_DEADLINE_S, check=False
    )
    if done.returncode != 0:
        new.unlink(missing_ok=True)
        raise StartFailed(
            f"testbed: the SPANK plugin does not compile (cc ended with {done.returncode}):\n"
            + done.stderr
        )
    new.replace(target)
