"""Pure: whether the GPUs of all nodes are those of the plan, alike, healthy and in one domain.

Every function returns what is wrong as sentences, each with its node. What could not be read is no
fault of a GPU's: :func:`unreadable_conditions` says it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.nodes.condition import GpuFabric
from harness.nodes.snapshot import NodeSnapshot, Snapshot

NODE_FAULT_XIDS = {
    48: "double bit ECC error",
    62: "internal micro-controller halt",
    63: "row remapping recorded",
    64: "row remapping failed",
    74: "NVLink error",
    79: "GPU has fallen off the bus",
    94: "contained memory error",
    95: "uncontained memory error",
    119: "GSP RPC timeout",
    120: "GSP error",
    140: "unrecovered ECC error",
    149: "NVLink netir error",
}
"""Errors of the hardware or its firmware, by NVIDIA's Xid catalogue.

13, 31, 43 and 45 are left out: programs cause them, and leave a healthy GPU.
"""

XID_RECENT_S = 3600.0
"""Older ones may have been repaired since; the driver's other words tell what is still so."""

CONDITIONS = ("gpu_health", "gpu_recovery", "gpu_fabric", "imex_channels", "xids")


def unplanned_gpus(snapshot: Snapshot, per_node: int) -> Iterator[str]:
    """Yield nodes without the planned number of GPUs, and UUIDs that stand twice."""
    for name, node in snapshot.nodes.items():
        seen = {gpu.uuid for gpu in node.gpus or ()}
        if len(seen) != per_node:
            told = f": {node.why_unreadable('gpus')}" if node.gpus is None else ""
            yield f"{name}: {per_node} GPUs are planned, nvidia-smi shows {len(seen)}{told}"
    counts = Counter(gpu.uuid for node in snapshot.nodes.values() for gpu in node.gpus or ())
    for uuid in (uuid for uuid, count in counts.items() if count > 1):
        where = [n for n, node in snapshot.nodes.items() if uuid in _uuids(node)]
        yield f"{', '.join(where)}: {uuid} is shown {counts[uuid]} times"


def unlike_gpus(snapshot: Snapshot) -> Iterator[str]:
    """Yield the nodes whose GPUs differ in model, driver or memory from what most nodes have."""
    kinds = {
        name: sorted({(g.name, g.driver, g.memory_total_mib) for g in node.gpus or ()}, key=str)
        for name, node in snapshot.nodes.items()
    }
    counts = Counter(kind for each in kinds.values() for kind in each)
    for usual, _ in counts.most_common(1):
        for name, each in kinds.items():
            for kind in each:
                if kind != usual:
                    yield f"{name}: {_kind_words(kind)}; most have {_kind_words(usual)}"


def _kind_words(kind: tuple[str, str, int | None]) -> str:
    model, driver, memory_mib = kind
    return f"{model}, driver {driver}, {memory_mib} MiB"


def unhealthy_gpus(snapshot: Snapshot) -> Iterator[str]:
    """Yield GPUs with memory errors, a repair that is due, or an Xid of the last hour."""
    for name, node in snapshot.nodes.items():
        index = {gpu.uuid: f"GPU {gpu.index} ({gpu.uuid})" for gpu in node.gpus or ()}
        for gpu in node.gpu_health or ():
            shown = f"{name}: {index.get(gpu.uuid, gpu.uuid)}"
            if gpu.ecc_uncorrected:
                yield f"{shown}: {gpu.ecc_uncorrected} uncorrected ECC errors since its last reset"
            if gpu.remap_pending == "Yes":
                yield f"{shown}: row remapping is pending, the GPU has to be reset"
            if gpu.remap_failure == "Yes":
                yield f"{shown}: row remapping has failed, the GPU has to be replaced"
        for each in node.gpu_recovery or ():
            if each.action.strip("[]") not in {"None", "N/A"}:
                shown = f"{name}: {index.get(each.uuid, each.uuid)}"
                yield f"{shown}: the driver asks for {each.action}"
        yield from _recent_xids(node)


def _recent_xids(node: NodeSnapshot) -> Iterator[str]:
    for xid in node.xids or ():
        if xid.number in NODE_FAULT_XIDS and xid.age_s <= XID_RECENT_S:
            yield (
                f"{node.node}: Xid {xid.number} ({NODE_FAULT_XIDS[xid.number]}) of the GPU at "
                f"{xid.bus_id}, {xid.age_s:.0f} s ago: {xid.words}"
            )


def apart_in_nvlink(snapshot: Snapshot) -> Iterator[str]:
    """Yield GPUs that have not registered with their fabric, and nodes of another NVLink domain.

    Equal ``cliqueId`` alone proves nothing: every domain has a 32766. GPUs without NVLink between
    nodes are in no domain, and so never apart, unless others of the run are in one.
    """
    domains: dict[tuple[str, str], list[str]] = {}
    for name, node in snapshot.nodes.items():
        for gpu in node.gpu_fabric or ():
            if gpu.in_fabric and not _registered(gpu):
                yield (
                    f"{name}: {gpu.uuid} has not joined its NVLink fabric: "
                    f"state {gpu.state}, status {gpu.status}"
                )
        for key in sorted({_domain(gpu) for gpu in node.gpu_fabric or ()}):
            domains.setdefault(key, []).append(name)
    if len(domains) > 1:
        for (cluster, clique), names in domains.items():
            shown = f"clusterUuid {cluster}, cliqueId {clique}" if cluster else "no NVLink domain"
            yield f"{', '.join(names)}: {shown}"


def without_imex(snapshot: Snapshot) -> Iterator[str]:
    """Yield nodes with NVLink to other nodes and no IMEX channel: no memory can be shared there."""
    for name, node in snapshot.nodes.items():
        reaches_others = any(gpu.multinode for gpu in node.gpu_fabric or ())
        if reaches_others and node.imex_channels == ():
            yield f"{name}: no channel in /dev/nvidia-caps-imex-channels"


def unreadable_conditions(snapshot: Snapshot) -> Iterator[str]:
    """Yield what could not be read, with the driver's or the kernel's words and the nodes."""
    told: dict[str, list[str]] = {}
    for name, node in snapshot.nodes.items():
        for what in CONDITIONS:
            if getattr(node, what) is None:
                told.setdefault(f"{what}: {node.why_unreadable(what)}", []).append(name)
    for words, names in told.items():
        yield f"{', '.join(names)}: {words}"


def _registered(gpu: GpuFabric) -> bool:
    return gpu.state == "Completed" and gpu.status.strip("[]") in {"Success", "N/A"}


def _domain(gpu: GpuFabric) -> tuple[str, str]:
    return (gpu.cluster_uuid, gpu.clique_id) if gpu.multinode else ("", "")


def _uuids(node: NodeSnapshot) -> set[str]:
    return {gpu.uuid for gpu in node.gpus or ()}
