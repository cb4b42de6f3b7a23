"""A real GPU, and processes that hold memory on it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.harness.gpu.world import GpuWorld


def _why_not() -> str:
    """Return why there is no real GPU here; empty if there is one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "needs an NVIDIA GPU: there is no nvidia-smi here"
    said = subprocess.run(
        [program, "-L"], capture_output=True, check=False, text=True, timeout=30
    ).stdout
    if "GPU 0:" not in said:
        return f"needs an NVIDIA GPU: nvidia-smi -L says {said.strip() or 'nothing'!r}"
    return "needs a real NVIDIA GPU: this one is emulated" if "emulated" in said.lower() else ""


@pytest.fixture
def gpu_world() -> Iterator[GpuWorld]:
    """The machine's GPUs, with nobody of ours on them at the beginning and at the end."""
    if why := _why_not():
        pytest.skip(why)
    world = GpuWorld()
    yield world
    world.end()
