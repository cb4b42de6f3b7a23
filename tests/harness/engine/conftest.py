"""The engine's packages under their own names, and a node's GPUs in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from testbed.gpu import write_node_gpus

ROOT = Path(__file__).resolve().parents[3]
# Last on the path: nothing but these tests is to find the stand-ins.
sys.path.append(str(ROOT / "testbed" / "engine" / "packages"))


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver state of a node with two GPUs."""
    folder = tmp_path / "emulated-gpu"
    write_node_gpus(folder, node="node3", count=2)
    monkeypatch.setenv("EMULATED_GPU_FOLDER", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder
