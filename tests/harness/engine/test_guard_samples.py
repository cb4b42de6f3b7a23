"""GPU memory sampled by the guard's program, run for real with the emulated ``nvidia-smi``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tensorrt_llm._emulation.gpu import GpuMemory, visible_gpus

from harness.deadline import Deadline, wait_until
from harness.guard.step import BOOT, program_line
from testbed.gpu import SMI_SCRIPT

NODE = os.uname().nodename
NO_DRIVER = "#!/bin/sh\nexit 9\n"
HANGS = "#!/bin/sh\nexec sleep 5\n"


@pytest.fixture
def driver(tmp_path: Path, gpus: Path) -> Path:
    """A folder for programs of the node, with its nvidia-smi."""
    assert gpus.is_dir()
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nvidia-smi").symlink_to(SMI_SCRIPT)
    return folder


@contextmanager
def guarded(driver: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A guard that samples into a folder many times a second."""
    argv = [sys.executable, "-I", "-S", "-c", BOOT, "--run=20261128T010203-7-ab12", "--drain-s=0.1"]
    with subprocess.Popen(
        [*argv, f"--memory-folder={folder}", "--memory-every-s=0.05"],
        env={**os.environ, "PATH": f"{driver}:/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as guard:
        try:
            assert guard.stdin is not None
            guard.stdin.write(program_line().decode())
            guard.stdin.flush()
            yield guard
        finally:
            guard.kill()


def sampled(folder: Path) -> list[dict[str, object]]:
    """The samples of this node so far."""
    file = folder / f"{NODE}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def test_memory_is_sampled_by_gpu_with_the_wall_clock(
    driver: Path, gpus: Path, tmp_path: Path
) -> None:
    memory, began = GpuMemory(visible_gpus(gpus)[1], gpus, gpus), time.time()
    with guarded(driver, tmp_path):
        wait_until(lambda: sampled(tmp_path), Deadline.after(10))
        memory.allocate(1500)
        wait_until(lambda: "1500" in str(sampled(tmp_path)), Deadline.after(10))
        memory.release()

    first, *_, last = sampled(tmp_path)
    assert first["used_mib"] == {"0": 0, "1": 0}
    assert last["used_mib"] == {"0": 0, "1": 1500}
    assert began <= float(str(first["at"])) < float(str(last["at"])) <= time.time()


def test_samples_end_with_the_guard(driver: Path, tmp_path: Path) -> None:
    with guarded(driver, tmp_path) as guard:
        wait_until(lambda: sampled(tmp_path), Deadline.after(10))
        guard.communicate("done\n", timeout=10)
        count = len(sampled(tmp_path))
        time.sleep(0.3)

    assert guard.returncode == 0
    assert count == len(sampled(tmp_path))


@pytest.mark.parametrize("program", [NO_DRIVER, HANGS, None])
@pytest.mark.parametrize("last", ["done\n", ""])
def test_a_driver_that_does_not_answer_holds_no_guard(
    driver: Path, tmp_path: Path, program: str | None, last: str
) -> None:
    (driver / "nvidia-smi").unlink()
    if program:
        (driver / "nvidia-smi").write_text(program)
        (driver / "nvidia-smi").chmod(0o755)
    with guarded(driver, tmp_path) as guard:
        began_s = time.monotonic()
        said, _ = guard.communicate(last, timeout=20)

    assert guard.returncode == 0
    assert ("end of input" in said) == (not last)
    assert time.monotonic() - began_s < 4
    assert sampled(tmp_path) == []


def test_a_folder_that_is_not_there_is_no_concern_of_the_guards(
    driver: Path, tmp_path: Path
) -> None:
    with guarded(driver, tmp_path / "gone") as guard:
        _, _ = guard.communicate("done\n", timeout=10)

    assert guard.returncode == 0
