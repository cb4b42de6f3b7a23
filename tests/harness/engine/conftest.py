"""The engine's packages under their own names, and a node's GPUs in a folder."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def engines(tmp_path: Path, gpus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A maker of engines on loopback, whose ranks are threads (``worlds.py``)."""
    from tests.harness.engine.worlds import make_engines  # noqa: PLC0415 - needs the path above

    made = make_engines(tmp_path, gpus, monkeypatch)
    yield made
    made.end()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of somebody who takes connections and says nothing, as a cut network does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
