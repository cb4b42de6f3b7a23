"""What a test of the probe finds on this machine; only ``nvidia-smi`` is a double."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.pure.probe.kit import SHM, SmiDouble


@pytest.fixture
def smi_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmiDouble:
    """Put an ``nvidia-smi`` with a given body (shell) first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(body: str) -> None:
        script = folder / "nvidia-smi"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)

    return make


@pytest.fixture
def job() -> str:
    """Return a job id that no process of this machine has."""
    return str(9_000_000_000 + secrets.randbelow(1_000_000_000))


@pytest.fixture
def shm_name() -> Iterator[str]:
    """Return a name for a file in /dev/shm, removed afterwards."""
    name = f"moe_shared_{secrets.token_hex(6)}_l0_lr0_all"
    yield name
    (SHM / name).unlink(missing_ok=True)
