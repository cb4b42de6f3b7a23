"""Who or what holds GPU memory that should be free: one sentence, and whether it is a leak."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.nodes.gpu_memory import Leftover, leftovers_of, memory_above, memory_remarks
from harness.nodes.numa import gpu_numa
from harness.nodes.occupied import find_occupied
from harness.nodes.ownership import ownership
from harness.nodes.question import LiveStep
from harness.nodes.residue import find_residue
from harness.nodes.snapshot import (
    DeviceHolder,
    Gpu,
    GpuDevice,
    GpuProcess,
    JobProcess,
    NodeSnapshot,
    NumaNode,
    Snapshot,
    Unreadable,
)

TOTAL_MIB = 189471
RANK = JobProcess(41, 40, 990, 1000, "python3", "python3 -m worker", "environ", "18", 9)
HOLDER = DeviceHolder(
    41, 40, 990, 1000, "python3", ("nvidia-uvm", "nvidia0", "nvidiactl"), other_pid_namespace=False
)
DAEMON = replace(
    HOLDER, pid=812, ppid=1, uid=0, name="nvidia-persiste", devices=("nvidia0", "nvidia1")
)
STRANGER = DeviceHolder(
    77, 1, 500, 1001, "train", ("nvidia0", "nvidiactl"), other_pid_namespace=True
)
AGG_1 = LiveStep("qualify-7-agg-1", "4711.19", ("node5", "node6", "node7", "node8"))
AGG_0 = LiveStep("qualify-7-agg-0", "4711.18", ("node1",))


def gpu(used_mib: int, index: int = 0) -> Gpu:
    return Gpu(index, f"GPU-{index}", "NVIDIA GB200", "580.95.05", TOTAL_MIB, used_mib)


def numa(
    number: int, cache_mib: int = 0, *, shmem_mib: int = 0, cpus: str = "", total_mib: int = 188416
) -> NumaNode:
    return NumaNode(number, total_mib, 180_000, cache_mib + shmem_mib, shmem_mib, cpus)


HOST = numa(0, 90_000, cpus="0-71", total_mib=490_000)
CLEAN = NodeSnapshot(
    node="node1",
    boot_id="b-1",
    time_s=1.0,
    python="3.6.15",
    uid=1000,
    elapsed_ms=20.0,
    gpus=(gpu(4), gpu(4, 1)),
    compute_apps=(),
    shm=(),
    numa=(HOST, numa(2, 8), numa(10, 8)),
    gpu_devices=(GpuDevice("GPU-0", 0, 2), GpuDevice("GPU-1", 1, 10)),
    device_holders=(DAEMON,),
    processes=(),
)
LEFT = replace(CLEAN, gpus=(gpu(68_004), gpu(4, 1)))
ALIVE = replace(LEFT, processes=(RANK,), device_holders=(DAEMON, HOLDER), holders=(RANK,))


def explained(
    after: NodeSnapshot, *live: LiveStep, before: NodeSnapshot = CLEAN, seen: NodeSnapshot = ALIVE
) -> Leftover:
    """Return what is said of the one GPU that has memory left."""
    ours = ownership(after, [Snapshot({"node1": seen})], ())
    [left] = leftovers_of(before, ours, tolerance_mib=256, live_steps=live)
    return left


def sentence(after: NodeSnapshot, *live: LiveStep, before: NodeSnapshot = CLEAN) -> str:
    return str(explained(after, *live, before=before))


def test_named_process_has_its_rank_and_step() -> None:
    apps = (GpuProcess("GPU-0", 41, "python3", 67_500),)

    said = sentence(replace(LEFT, compute_apps=apps, processes=(RANK,)))

    assert said == (
        "node1: GPU 0 (GPU-0) still has 68000 MiB in use above the baseline (68004 MiB now, 4 MiB "
        "before, tolerance 256 MiB); held by pid 41 (python3, 67500 MiB), rank 9 of step 18, ours"
    )


def test_named_process_that_only_an_earlier_probe_knew_is_ours() -> None:
    apps = (GpuProcess("GPU-0", 41, "python3", 67_500),)

    said = sentence(replace(LEFT, compute_apps=apps, device_holders=(HOLDER,)))

    assert "pid 41 (python3, 67500 MiB), seen earlier in step 18, ours" in said


def test_stranger_of_unknown_memory_is_named_as_one() -> None:
    apps = (GpuProcess("GPU-0", 77, "train", None),)

    said = sentence(replace(LEFT, compute_apps=apps, device_holders=(STRANGER,)))

    assert "held by pid 77 (train, unknown memory), not known as ours and of another user" in said


def test_process_that_nvidia_smi_does_not_name_is_found_by_its_open_device() -> None:
    said = sentence(replace(LEFT, processes=(RANK,), device_holders=(DAEMON, HOLDER)))

    assert (
        "; pid 41 (python3, uid 1000), rank 9 of step 18, ours, has /dev/nvidia0 open, "
        "and nvidia-smi does not name it there"
    ) in said


def test_memory_that_a_child_inherited_from_a_rank_is_the_childs() -> None:
    child = replace(STRANGER, pid=55, uid=1000, name="rank helper", other_pid_namespace=False)
    apps = (GpuProcess("GPU-0", 41, "[Not Found]", 67_500),)

    said = sentence(replace(LEFT, compute_apps=apps, device_holders=(DAEMON, child)))

    assert (
        "; pid 55 (rank helper, uid 1000), not known as ours, has /dev/nvidia0 open, and "
        "nvidia-smi counts the memory for pid 41, ours and gone"
    ) in said


def test_memory_of_a_process_that_is_gone_and_was_never_seen_is_no_live_strangers() -> None:
    apps = (GpuProcess("GPU-0", 99, "[Not Found]", 68_000),)

    left = explained(replace(LEFT, compute_apps=apps))

    assert left.attribution.leak_mib == 68_000
    assert "held by pid 99 ([Not Found], 68000 MiB), not known as ours" in str(left)


def test_unnamed_stranger_is_told_with_user_and_pid_namespace() -> None:
    said = sentence(replace(LEFT, device_holders=(DAEMON, STRANGER)))

    assert (
        "pid 77 (train, uid 1001), not known as ours and of another user, in another PID "
        "namespace, has /dev/nvidia0 open, and nvidia-smi does not name it there"
    ) in said


def test_the_device_is_the_drivers_minor_and_not_the_index() -> None:
    swapped = (GpuDevice("GPU-0", 1, 2), GpuDevice("GPU-1", 0, 10))

    said = sentence(replace(LEFT, gpu_devices=swapped, device_holders=(STRANGER,)))

    assert "no process is seen to have /dev/nvidia1 open" in said


@pytest.mark.parametrize(
    ("name", "before"), [("nvidia-smi", False), ("dcgm", True)], ids=["looks", "was there before"]
)
def test_who_only_looks_or_was_there_before_holds_nothing(name: str, *, before: bool) -> None:
    holders = (replace(STRANGER, name=name),)
    baseline = replace(CLEAN, device_holders=holders if before else ())

    said = sentence(replace(LEFT, device_holders=holders), before=baseline)

    assert "nobody is found to hold it" in said


def test_process_named_on_another_gpu_comes_after_one_that_is_named_on_none() -> None:
    other = replace(STRANGER, pid=78, name="other")
    apps = (GpuProcess("GPU-1", 78, "other", 100),)
    after = replace(LEFT, compute_apps=apps, device_holders=(other, STRANGER))

    assert "pid 77 (train" in sentence(after)
    assert "pid 78" not in sentence(after)
    assert "pid 78 (other" in sentence(replace(after, device_holders=(other,)))


def test_page_cache_on_the_gpus_numa_node_is_no_leak() -> None:
    after = replace(LEFT, numa=(HOST, numa(2, 67_900), numa(10, 8)))

    left = explained(after)

    assert not left.is_leak
    assert (
        "; 67892 MiB of them are page cache that came to NUMA node 2, which has no CPUs and is "
        "this GPU's memory: the kernel's, and no leak"
    ) in str(left)


def test_page_cache_is_a_remark_and_no_residue() -> None:
    before = Snapshot({"node1": CLEAN})
    after = Snapshot({"node1": replace(LEFT, numa=(HOST, numa(2, 67_900), numa(10, 8)))})

    left = find_residue(before, after, seen_while_running=[], stopped_steps=(), tolerance_mib=256)
    remarks = memory_remarks(before, after, seen_while_running=[], tolerance_mib=256)

    assert left == []
    assert len(remarks) == 1


def test_a_leak_is_no_remark() -> None:
    before, after = Snapshot({"node1": CLEAN}), Snapshot({"node1": LEFT})

    assert memory_remarks(before, after, seen_while_running=[], tolerance_mib=256) == []


def test_page_cache_hides_no_leak_beside_it() -> None:
    some = replace(LEFT, numa=(HOST, numa(2, 1008), numa(10, 8)))

    left = explained(some)

    assert left.is_leak
    assert left.attribution.leak_mib == 67_000
    assert "nobody is found to hold it" in str(left)


def test_page_cache_does_not_excuse_a_process_of_ours() -> None:
    cached = replace(LEFT, numa=(HOST, numa(2, 68_000), numa(10, 8)))
    named = replace(cached, compute_apps=(GpuProcess("GPU-0", 41, "python3", 500),))
    unnamed = replace(cached, device_holders=(HOLDER,))

    assert explained(named).attribution.leak_mib == 500
    assert explained(unnamed).attribution.leak_mib == 68_000
    assert "67992 MiB of it are page cache, not ours" in sentence(named)


def test_shared_memory_on_the_gpus_numa_node_is_no_page_cache() -> None:
    left = explained(replace(LEFT, numa=(HOST, numa(2, shmem_mib=68_000), numa(10, 8))))

    assert left.is_leak
    assert "NUMA node 2, has 0 MiB of page cache and 68000 MiB of shared memory" in str(left)


def test_page_cache_of_another_gpu_or_of_the_host_explains_nothing() -> None:
    after = replace(LEFT, numa=(numa(0, 400_000, cpus="0-71"), numa(2, 8), numa(10, 68_000)))

    assert explained(after).is_leak


def test_page_cache_of_the_baseline_explains_nothing() -> None:
    cached = (HOST, numa(2, 68_000), numa(10, 8))

    assert explained(replace(LEFT, numa=cached), before=replace(CLEAN, numa=cached)).is_leak


def test_without_the_drivers_word_numa_nodes_of_the_right_size_go_in_order() -> None:
    silent = replace(CLEAN, gpu_devices=None)
    few = replace(silent, numa=(HOST, numa(2)))
    cxl = replace(silent, numa=(HOST, numa(2, total_mib=60_000), numa(10, total_mib=60_000)))

    assert [gpu_numa(silent, each) for each in silent.gpus or ()] == [numa(2, 8), numa(10, 8)]
    assert gpu_numa(few, gpu(4)) is None
    assert gpu_numa(cxl, gpu(4)) is None


def test_live_worker_elsewhere_is_named_where_no_local_process_is() -> None:
    said = sentence(LEFT, AGG_0, AGG_1)

    assert (
        "; no process on node1 holds it, and workers with ranks on other nodes are still alive: "
        "qualify-7-agg-1 (step 4711.19, node[5-8]); what they have imported over NVLink is freed "
        "only when they end"
    ) in said


def test_nobody_is_said_with_all_that_was_looked_at() -> None:
    said = sentence(replace(LEFT, unread={0: 143}))

    assert said.endswith(
        "; nobody is found to hold it: the driver names no process that holds it; no process is "
        "seen to have /dev/nvidia0 open but pid 812 (nvidia-persiste, uid 0), open before the run "
        "too (143 of uid 0 could not be read); its memory, NUMA node 2, has 8 MiB of page cache "
        "and 0 MiB of shared memory; no worker of this run is alive elsewhere"
    )


def test_what_could_not_be_looked_at_is_said() -> None:
    errors = (Unreadable("compute_apps", "status 9"), Unreadable("numa", "no such folder"))
    blind = replace(LEFT, compute_apps=None, device_holders=None, numa=None, errors=errors)

    said = sentence(blind)

    assert "its processes could not be read: status 9" in said
    assert "who has /dev/nvidia0 open could not be read" in said
    assert "NUMA memory could not be read: no such folder" in said


def test_gpu_that_is_busy_before_the_start_names_its_hidden_holder() -> None:
    [found] = find_occupied(
        Snapshot({"node1": replace(LEFT, device_holders=(STRANGER,))}), gpu_memory_idle_mib=1024
    )

    assert "pid 77 (train, uid 1001), not known as ours and of another user" in str(found)


def test_memory_above_the_baseline_is_told_of_every_gpu() -> None:
    now = Snapshot({"node1": replace(LEFT, gpus=(gpu(68_004), gpu(2, 1)))})

    above = memory_above(Snapshot({"node1": CLEAN}), now, seen_while_running=[])

    assert above == {"node1": {0: 68_000, 1: -2}}
