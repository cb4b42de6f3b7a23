"""The emulated nvidia-smi against the real one, command by command, byte by byte."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed.gpu import write_node_gpus

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "testbed" / "gpu" / "nvidia_smi.py"
CAPTURES = json.loads(
    (ROOT / "tests" / "harness" / "data" / "nvidia_smi" / "h100-580.159.04.json").read_text(
        encoding="utf-8"
    )
)
REAL_UUID = "GPU-8a142fd4-d4da-d143-fd4f-7d75f33c12eb"

# What another GPU, driver or moment says otherwise, by what it is in both programs.
DIFFERENT = [
    (r"GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"NVIDIA H100 80GB HBM3|NVIDIA GB200 \(emulated\)", "NAME"),
    (r"580\.\d+\.\d+", "DRIVER"),
    (r"580\.\d+", "NVML"),
    (r"[0-9A-F]{8}:[0-9A-F]{2}:[0-9A-F]{2}\.0", "BUS"),
    (r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3}", "TIME"),
    (r"\b(?:81559|81079|189471)\b", "MEMORY"),
    (r"BUS, (?:\d{13}|\[N/A\])", "BUS, SERIAL"),
    (r"UUID, (?:(?:N/A, ){3}N/A|Completed, Success, 32766, [0-9a-f-]{36})", "UUID, FABRIC"),
    (r"0 %, (?:\d+|\[N/A\]), (?:[\d.]+ W|\[N/A\])", "0 %, TEMPERATURE, POWER"),
]


def without_differences(text: str) -> str:
    for pattern, word in DIFFERENT:
        text = re.sub(pattern, word, text)
    return text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The driver state of a node with one GPU."""
    write_node_gpus(tmp_path / "gpu", node="node1", count=1)
    return tmp_path / "gpu"


@pytest.mark.parametrize(
    "capture",
    [each for each in CAPTURES if each["name"] != "table"],
    ids=lambda each: each["name"],
)
def test_it_says_what_the_real_one_says(folder: Path, capture: dict[str, Any]) -> None:
    uuid = json.loads((folder / "gpus.json").read_text(encoding="utf-8"))["gpus"][0]["uuid"]
    words = [word.replace(REAL_UUID, uuid) for word in capture["words"]]
    said = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        capture_output=True, check=False, text=True, timeout=20,
        env={"EMULATED_GPU_FOLDER": str(folder)},
    )  # fmt: skip

    assert said.returncode == capture["code"]
    assert without_differences(said.stdout) == without_differences(capture["stdout"])
    assert said.stderr == capture["stderr"] == ""


def test_the_table_has_the_real_ones_frame(folder: Path) -> None:
    [capture] = [each for each in CAPTURES if each["name"] == "table"]
    said = subprocess.run(
        [sys.executable, str(PROGRAM)],
        capture_output=True, check=True, text=True, timeout=20,
        env={"EMULATED_GPU_FOLDER": str(folder)},
    ).stdout  # fmt: skip
    frame = [line for line in capture["stdout"].splitlines() if line.startswith(("+", "|="))]
    heads = [line for line in capture["stdout"].splitlines() if "Persistence-M" in line]

    assert [line for line in said.splitlines() if line.startswith(("+", "|="))] == frame
    assert [line for line in said.splitlines() if "Persistence-M" in line] == heads
    assert "No running processes found" in said
