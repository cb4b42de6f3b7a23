"""Emulated GPUs: a node's driver state, and the ``nvidia-smi`` that reads it (``nvidia_smi.py``).

The state of a node is one folder shared by all its processes and containers: ``gpus.json`` says
what there is, ``holders/`` has one file per allocation, locked by the process that holds it (see
README.md here).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

DRIVER_VERSION = "580.95.05"
CUDA_VERSION = "13.0"
NAME = "NVIDIA GB200 (emulated)"
MEMORY_TOTAL_MIB = 189471
"""What nvidia-smi reports for one GPU of a GB200 tray."""

CLUSTER_UUID = "7e57bed0-0000-4000-8000-000000000072"
CLIQUE_ID = 32766
"""The NVLink domain that all nodes are in, and their part of it, as on one GB200 rack."""

# The first bus ids of a GB200 tray; beyond four GPUs the pattern goes on.
_BUS_DOMAINS = ("00000008", "00000009", "00000018", "00000019")

SMI_SCRIPT = Path(__file__).with_name("nvidia_smi.py")
"""The ``nvidia-smi`` of nodes and containers."""


def gpu_uuid(node: str, index: int) -> str:
    """Return the UUID of a node's GPU: the same for the same node and index, on every machine."""
    digest = hashlib.sha256(f"{node}/{index}".encode()).hexdigest()
    return f"GPU-{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def write_node_gpus(folder: Path, *, node: str, count: int) -> None:
    """Write a node's driver state into ``folder``: ``gpus.json`` and an empty ``holders/``.

    A folder that has a state is written again; allocations of living processes stay as they are.
    """
    gpus = [
        {
            "index": index,
            "uuid": gpu_uuid(node, index),
            "name": NAME,
            "memory_total_mib": MEMORY_TOTAL_MIB,
            "bus_id": f"{_bus_domain(index)}:01:00.0",
            "ecc_uncorrected": 0,
            "remap_pending": "No",
            "remap_failure": "No",
            "recovery_action": "None",
            "fabric_state": "Completed",
            "fabric_status": "Success",
            "clique_id": CLIQUE_ID,
            "cluster_uuid": CLUSTER_UUID,
        }
        for index in range(count)
    ]
    (folder / "holders").mkdir(parents=True, exist_ok=True)
    state = {"driver_version": DRIVER_VERSION, "cuda_version": CUDA_VERSION, "gpus": gpus}
    draft = folder / "gpus.json.draft"
    draft.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / "gpus.json")


def _bus_domain(index: int) -> str:
    return _BUS_DOMAINS[index] if index < len(_BUS_DOMAINS) else f"{0x20 + index:08X}"
