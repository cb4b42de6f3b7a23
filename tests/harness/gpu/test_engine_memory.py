"""The emulated engine's ranks on a real GPU: what they hold there, and who holds it after them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.settings import PROJECT_ROOT
from tests.harness.gpu.world import NODE, TOLERANCE_MIB, GpuWorld

MIB = 2048
RANK = """
import os, sys
from pathlib import Path
from tensorrt_llm._emulation.gpu import OutOfMemoryError, visible_gpus
from tensorrt_llm._emulation.real_gpu import RealGpuMemory
from tensorrt_llm._emulation.survivor import leave_behind
gpu = visible_gpus(Path("/nonexistent"))[0]
memory = RealGpuMemory(gpu)
memory.open_context()
memory.allocate(int(sys.argv[1]))
print(gpu.uuid, flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "release":
        memory.release()
    elif word == "leave":
        print(leave_behind(memory.descriptors, os.environ), flush=True)
        memory.abandon()
        break
    elif word == "ask":
        try:
            memory.allocate(memory.gpu.memory_total_mib)
        except OutOfMemoryError as error:
            print(error, flush=True)
            continue
    print("done", flush=True)
"""


class EngineRank:
    """A process that holds memory as a rank of the emulated engine does."""

    def __init__(self, mib: int) -> None:
        packages = PROJECT_ROOT / "testbed" / "engine" / "packages"
        self.process = subprocess.Popen(
            [sys.executable, "-c", RANK, str(mib)],
            env={**os.environ, "PYTHONPATH": str(packages)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.uuid = self._heard()

    def tell(self, word: str) -> str:
        """Tell it what to do; returns what it says then."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self._heard()

    def _heard(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, f"the rank said nothing and ended with {self.process.wait(60)}"
        return line


@contextmanager
def rank_with(mib: int) -> Iterator[EngineRank]:
    """Run a rank, and end it."""
    rank = EngineRank(mib)
    try:
        yield rank
    finally:
        rank.process.kill()
        rank.process.communicate()


def used(world: GpuWorld) -> int:
    """Return the memory in use on the first GPU."""
    return world.node().gpus[0].memory_used_mib or 0  # type: ignore[index]


def test_memory_of_an_engines_rank_is_real(gpu_world: GpuWorld) -> None:
    """Seen by nvidia-smi with the rank's pid on the GPU that the rank names, and given back."""
    idle_mib = used(gpu_world)
    with rank_with(MIB) as rank:
        node = gpu_world.snapshot().nodes[NODE]
        seen_mib, apps = used(gpu_world), node.compute_apps or ()
        rank.tell("release")
        looks = gpu_world.curve(idle_mib)

    assert node.gpus is not None
    assert rank.uuid == node.gpus[0].uuid
    assert seen_mib >= idle_mib + MIB
    assert [app.pid for app in apps] == [rank.process.pid]
    print(f"{seen_mib} MiB in use for {MIB}; after the release {looks}")


@pytest.mark.usefixtures("gpu_world")
def test_more_than_the_gpu_has_is_refused_in_torchs_words() -> None:
    """The real driver refuses, and the rank says what torch says."""
    with rank_with(MIB) as rank:
        said = rank.tell("ask")

    assert said.startswith("CUDA out of memory. Tried to allocate ")
    print(said)


def test_memory_stays_with_a_child_that_inherited_the_drivers_files(gpu_world: GpuWorld) -> None:
    """The rank has ended, its helper has the files: the memory stays until the helper ends."""
    idle_mib = used(gpu_world)
    with rank_with(MIB) as rank:
        child = int(rank.tell("leave"))
    try:
        stays_mib, apps = used(gpu_world), gpu_world.node().compute_apps
    finally:
        os.kill(child, 9)
    looks = gpu_world.curve(idle_mib)

    print(f"rank {rank.process.pid}, helper {child}: {stays_mib} MiB, {apps}; then {looks}")
    assert stays_mib > idle_mib + TOLERANCE_MIB
