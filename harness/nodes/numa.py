"""Pure: which NUMA node is a GPU's memory, and what the kernel keeps there.

In NUMA mode, the driver's default on GH200 and GB200, the system sees GPU memory as NUMA nodes
without CPUs and may put page cache there. nvidia-smi counts that as memory in use, with no process.
Source: NVIDIA's "Understanding Memory Management on Hardware-Coherent Platforms".
"""

from __future__ import annotations

from harness.nodes.snapshot import Gpu, NodeSnapshot, NumaNode

LIKE = 0.8
"""Share of the greater that the smaller is at least, of two sizes of the same memory."""


def gpu_numa(node: NodeSnapshot, gpu: Gpu) -> NumaNode | None:
    """Return the NUMA node that is a GPU's memory; ``None`` if there is none, or it is not known.

    By the driver's own word; without that in order, if as many nodes without CPUs as GPUs have the
    size of theirs. CXL memory has no CPUs either.
    """
    without_cpus = {each.id: each for each in node.numa or () if not each.cpus}
    told = {device.uuid: device.numa_node for device in node.gpu_devices or ()}
    if any(number is not None for number in told.values()):
        number = told.get(gpu.uuid)
        return None if number is None else without_cpus.get(number)
    gpus = sorted(node.gpus or (), key=lambda each: each.index)
    pairs = list(zip(gpus, without_cpus.values(), strict=False))
    if len(gpus) != len(without_cpus) or not all(_same_size(*pair) for pair in pairs):
        return None
    return next((numa for each, numa in pairs if each.uuid == gpu.uuid), None)


def page_cache_grown_mib(node: NodeSnapshot, before: NodeSnapshot | None, gpu: Gpu) -> int:
    """Return the MiB of page cache that came to a GPU's memory since an earlier moment, if any."""
    numa = gpu_numa(node, gpu)
    if numa is None:
        return 0
    earlier = [each for each in (before.numa or () if before else ()) if each.id == numa.id]
    return max(0, numa.page_cache_mib - sum(each.page_cache_mib for each in earlier))


def _same_size(gpu: Gpu, numa: NumaNode) -> bool:
    sizes = sorted([gpu.memory_total_mib or 0, numa.total_mib])
    return sizes[0] >= LIKE * sizes[1] > 0
