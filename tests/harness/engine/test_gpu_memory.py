"""GPU memory: held while a process lives, free the moment it is gone, refused in torch's words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorrt_llm._emulation.gpu import GpuMemory, OutOfMemoryError, holdings, visible_gpus

from testbed.gpu import gpu_uuid, write_node_gpus
from tests.harness.engine.conftest import ROOT

HOLD = """
import os, sys, time
from pathlib import Path
from tensorrt_llm._emulation.gpu import GpuMemory, visible_gpus
folder = Path(sys.argv[1])
memory = GpuMemory(visible_gpus(folder)[0], folder, folder)
memory.allocate(4096)
child = os.fork() if len(sys.argv) > 2 else os.getpid()
if child:
    print(child, flush=True)
time.sleep(60)
"""


@pytest.fixture
def memory(gpus: Path) -> Iterator[GpuMemory]:
    held = GpuMemory(visible_gpus(gpus)[0], gpus, gpus)
    yield held
    held.release()


def holder(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a process that holds 4096 MiB on the first GPU; it has when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "testbed" / "engine" / "packages")},
    )
    assert process.stdout is not None
    process.child = int(process.stdout.readline())  # type: ignore[attr-defined]
    return process


def held_mib(folder: Path) -> int:
    return sum(holding.memory_mib for holding in holdings(folder / "holders"))


def test_memory_is_taken_and_given_back(gpus: Path, memory: GpuMemory) -> None:
    total = memory.gpu.memory_total_mib

    memory.allocate(1000)
    memory.allocate(500)

    assert memory.free_mib() == total - 1500
    memory.release()
    assert held_mib(gpus) == 0


def test_the_other_gpu_is_not_touched(gpus: Path, memory: GpuMemory) -> None:
    memory.allocate(1000)

    assert {holding.gpu_uuid for holding in holdings(gpus / "holders")} == {memory.gpu.uuid}


def test_more_than_is_free_is_refused_in_torchs_words(memory: GpuMemory) -> None:
    memory.allocate(memory.gpu.memory_total_mib - 100)

    with pytest.raises(
        OutOfMemoryError, match=r"CUDA out of memory\. Tried to allocate"
    ) as refusal:
        memory.allocate(101)

    assert f"Process {os.getpid()} has" in str(refusal.value)


def test_what_another_process_holds_counts(gpus: Path, memory: GpuMemory) -> None:
    process = holder(gpus)
    try:
        assert memory.free_mib() == memory.gpu.memory_total_mib - 4096
    finally:
        process.kill()
        process.communicate()

    assert memory.free_mib() == memory.gpu.memory_total_mib


def test_a_forked_child_keeps_the_memory(gpus: Path) -> None:
    process = holder(gpus, "fork")
    child: int = process.child  # type: ignore[attr-defined]
    process.kill()
    process.wait()
    try:
        assert held_mib(gpus) == 4096
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


def test_a_process_is_named_as_its_command_line_begins(gpus: Path) -> None:
    """As nvidia-smi does; the emulation once gave the path of the program behind it."""
    process = holder(gpus)
    try:
        [file] = (gpus / "holders").glob("*.json")
        named = json.loads(file.read_text())["process_name"]
    finally:
        process.kill()
        process.communicate()

    assert named == sys.executable


def test_files_of_dead_processes_are_cleared(gpus: Path, memory: GpuMemory) -> None:
    process = holder(gpus)
    process.kill()
    process.communicate()
    assert list((gpus / "holders").glob("*.json"))

    memory.allocate(1)

    assert len(list((gpus / "holders").glob("*.json"))) == 1


def test_memory_that_the_driver_has_not_got_back_counts_until_then(
    gpus: Path, memory: GpuMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = memory.gpu.memory_total_mib
    memory.allocate(4096)
    now_s = time.monotonic()

    memory.release(back_s=30)

    assert [holding.pid for holding in holdings(gpus / "holders")] == [None]
    with pytest.raises(OutOfMemoryError) as refusal:
        memory.allocate(total - 4095)
    assert "Process" not in str(refusal.value)
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 31)
    memory.allocate(total)
    assert held_mib(gpus) == total


def test_who_inherits_what_is_open_holds_the_memory_of_one_that_has_gone(
    gpus: Path, memory: GpuMemory
) -> None:
    memory.allocate(4096)

    child = subprocess.Popen(["sleep", "60"], pass_fds=memory.descriptors)
    memory.abandon()
    try:
        assert held_mib(gpus) == 4096
    finally:
        child.kill()
        child.wait()

    assert held_mib(gpus) == 0


@pytest.mark.parametrize(("chosen", "indices"), [("1", [1]), ("1,0", [1, 0]), ("", []), ("7", [])])
def test_cuda_visible_devices_chooses(
    gpus: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, indices: list[int]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)

    assert [gpu.index for gpu in visible_gpus(gpus)] == indices


def test_a_node_without_driver_has_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Hides a real GPU, should there be one.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    assert visible_gpus(tmp_path) == []


def test_uuids_belong_to_node_and_index() -> None:
    uuids = [gpu_uuid(node, index) for node in ("node1", "node2") for index in range(4)]

    assert len(set(uuids)) == 8
    assert uuids == [gpu_uuid(node, index) for node in ("node1", "node2") for index in range(4)]
    assert all(len(uuid) == len("GPU-") + 36 for uuid in uuids)


def test_state_can_be_written_again(gpus: Path, memory: GpuMemory) -> None:
    memory.allocate(10)

    write_node_gpus(gpus, node="node3", count=2)

    assert held_mib(gpus) == 10
    assert all("emulated" in gpu.name for gpu in visible_gpus(gpus))
