"""Snapshots of nodes that are fit, to be made unfit in one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.nodes.condition import Folder, GpuFabric, GpuHealth, GpuRecovery
from harness.nodes.snapshot import Gpu, NodeSnapshot, Snapshot

DOMAIN = "7e57bed0-0000-4000-8000-000000000072"


def fit_node(name: str, **fields: Any) -> NodeSnapshot:
    """Return a node with two healthy GPUs in an NVLink domain."""
    uuids = [f"GPU-{name}-{index}" for index in range(2)]
    node = NodeSnapshot(
        node=name,
        boot_id="b",
        time_s=1000.5,
        python="3.9.1",
        uid=0,
        elapsed_ms=100.0,
        gpus=tuple(
            Gpu(at, uuid, "NVIDIA GB200", "580", 189471, 0) for at, uuid in enumerate(uuids)
        ),
        gpu_health=tuple(GpuHealth(uuid, 0, "No", "No") for uuid in uuids),
        gpu_recovery=tuple(GpuRecovery(uuid, "None") for uuid in uuids),
        gpu_fabric=tuple(
            GpuFabric(uuid, "Completed", "Success", "32766", DOMAIN) for uuid in uuids
        ),
        imex_channels=("channel0",),
        xids=(),
        thp="madvise",
        addresses=("10.0.0.1", "127.0.0.1"),
        folders=(Folder("/tmp", 4096),),
        shm_total_bytes=1 << 30,
        shm_free_bytes=1 << 30,
        memory_available_mib=8192,
    )
    return replace(node, **fields)


def nodes(*unfit: NodeSnapshot) -> Snapshot:
    """Return three nodes; those given stand for the fit ones of their names."""
    made = {name: fit_node(name) for name in ("node1", "node2", "node3")}
    return Snapshot({**made, **{node.node: node for node in unfit}}, asked=(1000.0, 1001.0))
