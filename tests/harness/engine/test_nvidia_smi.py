"""nvidia-smi: the answers and refusals that probes and people read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorrt_llm._emulation.gpu import GpuMemory, visible_gpus

from testbed.gpu import MEMORY_TOTAL_MIB, SMI_SCRIPT, gpu_uuid

pytestmark = pytest.mark.usefixtures("gpus")
NO_PID = 2**22 + 1
"""More than any process has."""


def smi(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SMI_SCRIPT), *words], capture_output=True, text=True, timeout=20, check=False
    )


def lines(*words: str) -> list[str]:
    done = smi(*words)
    assert done.returncode == 0
    return done.stdout.splitlines()


@pytest.fixture
def busy(gpus: Path) -> Iterator[str]:
    """The second GPU with 1500 MiB of this process in two allocations; gives its UUID."""
    memory = GpuMemory(visible_gpus(gpus)[1], gpus, gpus)
    memory.allocate(1000)
    memory.allocate(500)
    yield memory.gpu.uuid
    memory.release()


def test_gpus_are_listed() -> None:
    assert lines("-L") == [
        f"GPU {index}: NVIDIA GB200 (emulated) (UUID: {gpu_uuid('node3', index)})"
        for index in range(2)
    ]


def test_memory_per_gpu_as_csv(busy: str) -> None:
    answer = lines("--query-gpu=index,uuid,memory.total,memory.used,memory.free", "--format=csv")

    assert answer == [
        "index, uuid, memory.total [MiB], memory.used [MiB], memory.free [MiB]",
        f"0, {gpu_uuid('node3', 0)}, {MEMORY_TOTAL_MIB} MiB, 0 MiB, {MEMORY_TOTAL_MIB} MiB",
        f"1, {busy}, {MEMORY_TOTAL_MIB} MiB, 1500 MiB, {MEMORY_TOTAL_MIB - 1500} MiB",
    ]


def test_header_and_units_can_be_left_out(busy: str) -> None:
    query = "--query-gpu=uuid,memory.used"

    assert lines(query, "--format=csv,noheader,nounits", "-i", "1") == [f"{busy}, 1500"]


def test_a_process_is_one_line_with_all_it_holds(busy: str) -> None:
    answer = lines("--query-compute-apps=gpu_uuid,pid,used_gpu_memory", "--format=csv,noheader")

    assert answer == [f"{busy}, {os.getpid()}, 1500 MiB"]


def test_an_idle_node_has_no_compute_apps() -> None:
    assert lines("--query-compute-apps=pid", "--format=csv,noheader") == []


def test_memory_on_its_way_back_is_in_use_without_a_process(gpus: Path) -> None:
    memory = GpuMemory(visible_gpus(gpus)[1], gpus, gpus)
    memory.allocate(1500)

    memory.release(back_s=60)

    assert lines("--query-gpu=memory.used", "--format=csv,noheader") == ["0 MiB", "1500 MiB"]
    assert lines("--query-compute-apps=pid", "--format=csv,noheader") == []


def test_a_holder_that_is_gone_is_not_found(gpus: Path) -> None:
    """A child that inherited the memory keeps it under the pid of the process that took it."""
    memory = GpuMemory(visible_gpus(gpus)[0], gpus, gpus)
    memory.allocate(10)
    (held,) = (gpus / "holders").glob("*.json")
    entry = json.loads(held.read_text())
    held.write_text(json.dumps({**entry, "pid": NO_PID}))

    answer = lines("--query-compute-apps=pid,name", "--format=csv,noheader")
    memory.release()

    assert answer == [f"{NO_PID}, [Not Found]"]


@pytest.mark.usefixtures("busy")
def test_the_table_shows_use_and_processes() -> None:
    table = lines()

    assert any(f"1500MiB / {MEMORY_TOTAL_MIB}MiB" in line for line in table)
    assert any(str(os.getpid()) in line and "1500MiB" in line for line in table)
    assert {len(line) for line in table[1:] if line} == {91}


def test_the_table_of_an_idle_node_says_so() -> None:
    assert any("No running processes found" in line for line in lines())


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--query-gpu=memory.usd", "--format=csv"], 2, 'Field "memory.usd" is not a valid field'),
        (["--query-compute-apps=uuid", "--format=csv"], 2, "is not a valid field to query"),
        (["--query-gpu=index", "--format=xml"], 2, "Format modifier is not recognized"),
        (["--nonsense"], 255, "Option --nonsense is not recognized"),
        (["-i"], 2, "requires an argument"),
        (["-i", "9"], 6, "No devices were found"),
    ],
)
def test_a_wrong_question_is_refused(words: list[str], code: int, text: str) -> None:
    done = smi(*words)

    assert done.returncode == code
    assert text in done.stdout


def test_a_node_without_driver_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMULATED_GPU_FOLDER", str(tmp_path))

    done = smi()

    assert done.returncode == 9
    assert "couldn't communicate with the NVIDIA driver" in done.stdout
