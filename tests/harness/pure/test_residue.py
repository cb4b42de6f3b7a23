"""What is in the way before the start, and what is left after the stop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import InfraError
from harness.nodes.eplb import eplb_files, is_eplb_file
from harness.nodes.occupied import NodeUnreadable, OccupiedKind, find_occupied
from harness.nodes.residue import Residue, ResidueKind, find_residue
from harness.nodes.snapshot import (
    Gpu,
    GpuProcess,
    Holder,
    JobProcess,
    Listener,
    NodeSnapshot,
    ShmEntry,
    Snapshot,
    Unreadable,
)
from harness.nodes.words import in_words

FILE = "moe_shared_l0_lr0_all"
RANK = JobProcess(41, 40, 990, 1000, "python3", "python3 -m worker", "environ", "18", 9)
STRANGER = Holder(77, 1, 500, 1000, "train")


def gpu(used_mib: int | None, index: int = 0) -> Gpu:
    return Gpu(index, f"GPU-{index}", "NVIDIA GB200", "580.95.05", 189471, used_mib)


def shm(
    name: str = FILE, *, pids: tuple[int, ...] = (), inode: int = 7, uid: int = 1000
) -> ShmEntry:
    return ShmEntry(name, inode, 4096, uid, 12.0, pids)


CLEAN = NodeSnapshot(
    node="node1",
    boot_id="b-1",
    time_s=1.0,
    python="3.6.15",
    uid=1000,
    elapsed_ms=20.0,
    gpus=(gpu(4),),
    compute_apps=(),
    shm=(),
    processes=(),
    listeners=(),
)
ALIVE = replace(
    CLEAN,
    gpus=(gpu(150_000),),
    compute_apps=(GpuProcess("GPU-0", 41, "python3", 149_000),),
    shm=(shm(pids=(41,)),),
    processes=(RANK,),
    holders=(RANK,),
)


def residue(
    after: NodeSnapshot, *, before: NodeSnapshot = CLEAN, seen: NodeSnapshot = ALIVE
) -> list[Residue]:
    """Compare one node with its baseline after step 18 was stopped."""
    return find_residue(
        Snapshot({"node1": before}),
        Snapshot({"node1": after}),
        seen_while_running=[Snapshot({"node1": seen})],
        stopped_steps={"18"},
        tolerance_mib=256,
        ports={8000},
    )


def test_nothing_is_in_the_way_on_a_clean_node() -> None:
    assert find_occupied(Snapshot({"node1": CLEAN}), gpu_memory_idle_mib=1024) == []


@pytest.mark.parametrize(
    "name", [FILE, "moe_other", "run7_l60_lr3_all"], ids=["default", "moe", "own prefix"]
)
def test_a_stale_file_is_named_with_its_way_out(name: str) -> None:
    node = replace(CLEAN, shm=(shm(name), shm("sem.mp-xyz")))

    (found,) = find_occupied(Snapshot({"node1": node}), gpu_memory_idle_mib=1024)

    assert (found.kind, found.node, found.name) == (OccupiedKind.SHM_FILE, "node1", name)
    assert f"node1: /dev/shm/{name} (4096 bytes" in str(found)
    assert "no live process holds it" in str(found)
    assert f"-w node1 rm /dev/shm/{name}" in str(found)


def test_a_held_file_names_its_holder_and_is_not_to_be_removed() -> None:
    node = replace(CLEAN, shm=(shm(pids=(77,)),), holders=(STRANGER,))

    (found,) = find_occupied(Snapshot({"node1": node}), gpu_memory_idle_mib=1024)

    assert "held by pid 77 (train, uid 1000)" in str(found)
    assert "rm " not in str(found)


def test_a_file_whose_holders_may_be_hidden_is_not_called_free() -> None:
    node = replace(CLEAN, shm=(shm(),), unread={0: 143})

    (found,) = find_occupied(Snapshot({"node1": node}), gpu_memory_idle_mib=1024)

    assert "no process is seen to hold it (143 of uid 0 could not be read)" in str(found)


def test_a_busy_gpu_is_named_with_memory_and_holder() -> None:
    apps = (GpuProcess("GPU-1", 77, "train", 9000), GpuProcess("GPU-0", 78, "bystander", 3))
    node = replace(CLEAN, gpus=(gpu(1024), gpu(9100, index=1)), compute_apps=apps)

    (found,) = find_occupied(Snapshot({"node1": node}), gpu_memory_idle_mib=1024)

    assert (found.kind, found.name) == (OccupiedKind.GPU, "GPU-1")
    assert "node1: GPU 1 (GPU-1) is in use before the start: 9100 MiB" in str(found)
    assert "held by pid 77 (train, 9000 MiB)" in str(found)
    assert "bystander" not in str(found)


@pytest.mark.parametrize(
    "node",
    [
        replace(CLEAN, gpus=None, errors=(Unreadable("gpus", "nvidia-smi hangs"),)),
        replace(CLEAN, shm=None, errors=(Unreadable("shm", "Permission denied"),)),
        replace(CLEAN, gpus=(gpu(None),)),
    ],
    ids=["gpus", "shm", "memory"],
)
def test_what_could_not_be_read_is_not_taken_for_free(node: NodeSnapshot) -> None:
    with pytest.raises(NodeUnreadable, match="node1") as caught:
        find_occupied(Snapshot({"node1": node}), gpu_memory_idle_mib=1024)
    with pytest.raises(NodeUnreadable, match="node1"):
        residue(node)

    assert isinstance(caught.value, InfraError)


def test_nothing_is_left_on_a_node_that_looks_as_before() -> None:
    assert residue(CLEAN) == []


def test_a_surviving_rank_is_named_with_step_and_rank() -> None:
    (left,) = residue(replace(CLEAN, processes=(RANK,)))

    assert (left.kind, left.name, left.pids) == (ResidueKind.PROCESS, "41", (41,))
    assert "node1: process 41 (python3, uid 1000) of stopped step 18, rank 9" in str(left)


def test_processes_of_steps_that_still_run_are_no_residue() -> None:
    others = (replace(RANK, step="17"), replace(RANK, pid=42, step="interactive"))

    assert residue(replace(CLEAN, processes=others)) == []


def test_an_orphan_without_step_is_known_from_the_earlier_probe() -> None:
    leader = replace(RANK, found_by="parent")
    orphan = replace(RANK, found_by="mark", step=None, rank=None)

    (left,) = residue(replace(CLEAN, processes=(orphan,)), seen=replace(ALIVE, processes=(leader,)))

    assert "of stopped step 18 is still there" in str(left)


def test_a_marked_orphan_that_no_probe_saw_is_still_found() -> None:
    orphan = replace(RANK, pid=43, found_by="mark", step=None, rank=None)

    (left,) = residue(replace(CLEAN, processes=(orphan,)))

    assert "of this run is still there" in str(left)


def test_a_file_that_nobody_holds_is_left() -> None:
    (left,) = residue(replace(CLEAN, shm=(shm(),)))

    assert (left.kind, left.name, left.amount) == (ResidueKind.SHM_FILE, FILE, 4096)
    assert f"node1: /dev/shm/{FILE} (4096 bytes" in str(left)
    assert "is left; no live process holds it" in str(left)


def test_a_file_of_the_baseline_is_not_ours() -> None:
    with_file = replace(CLEAN, shm=(shm(),))

    assert residue(with_file, before=with_file) == []


def test_a_file_made_again_under_an_old_name_is_ours() -> None:
    before, after = replace(CLEAN, shm=(shm(inode=3),)), replace(CLEAN, shm=(shm(inode=7),))

    assert [left.name for left in residue(after, before=before)] == [FILE]


def test_a_live_strangers_new_file_is_not_ours() -> None:
    after = replace(CLEAN, shm=(shm(pids=(77,), inode=8),), holders=(STRANGER,))

    assert residue(after) == []


def test_another_users_new_file_is_not_ours() -> None:
    assert residue(replace(CLEAN, shm=(shm(inode=8, uid=1001),))) == []


def test_a_file_our_ranks_held_is_ours_whoever_holds_it_now() -> None:
    after = replace(CLEAN, shm=(shm(pids=(77,)),), holders=(STRANGER,))

    (left,) = residue(after)

    assert "held by pid 77 (train, uid 1000)" in str(left)


def test_a_file_of_the_runs_own_prefix_is_ours() -> None:
    entry = shm("moe_shared_run7_l0_lr0_all", pids=(77,), inode=8)
    after = replace(CLEAN, shm=(entry,), holders=(STRANGER,))

    left = find_residue(
        Snapshot({"node1": CLEAN}),
        Snapshot({"node1": after}),
        seen_while_running=[],
        stopped_steps=(),
        tolerance_mib=256,
        own_shm_prefixes=["moe_shared_run7"],
    )

    assert [each.name for each in left] == [entry.name]


@pytest.mark.parametrize(("used_mib", "left"), [(4, 0), (260, 0), (261, 1)])
def test_gpu_memory_is_held_against_baseline_and_tolerance(used_mib: int, left: int) -> None:
    assert len(residue(replace(CLEAN, gpus=(gpu(used_mib),)))) == left


def test_gpu_memory_names_its_holder() -> None:
    apps = (GpuProcess("GPU-0", 41, "python3", 1990),)

    (left,) = residue(replace(CLEAN, gpus=(gpu(2004),), compute_apps=apps))

    assert (left.kind, left.name, left.amount) == (ResidueKind.GPU_MEMORY, "GPU-0", 2000)
    assert "node1: GPU 0 (GPU-0) still has 2000 MiB in use above the baseline" in str(left)
    assert "held by pid 41 (python3, 1990 MiB)" in str(left)


def test_gpu_memory_without_a_process_says_so() -> None:
    (left,) = residue(replace(CLEAN, gpus=(gpu(2004),)))

    assert "the driver names no process that holds it" in str(left)


def test_a_strangers_gpu_memory_is_not_ours() -> None:
    old = GpuProcess("GPU-0", 77, "train", 1000)
    before = replace(CLEAN, gpus=(gpu(1004),), compute_apps=(old,))
    grown = replace(CLEAN, gpus=(gpu(9004),), compute_apps=(replace(old, memory_mib=9000),))

    assert residue(grown, before=before) == []


def test_our_leak_is_found_beside_a_strangers_memory() -> None:
    apps = (GpuProcess("GPU-0", 77, "train", 5000), GpuProcess("GPU-0", 41, "python3", 700))

    (left,) = residue(replace(CLEAN, gpus=(gpu(5704),), compute_apps=apps))

    assert (left.amount, left.pids) == (700, (41,))


def test_a_port_that_still_listens_is_named_with_its_owner() -> None:
    listener = Listener(8000, 1000, 5, (41,), ("python3",))

    (left,) = residue(replace(CLEAN, listeners=(listener,), holders=(RANK,)))

    assert (left.kind, left.name) == (ResidueKind.PORT, "8000")
    assert "node1: port 8000 is still listened on by pid 41 (python3, uid 1000)" in str(left)


@pytest.mark.parametrize(
    "listener",
    [Listener(8000, 1000, 5, (77,), ("train",)), Listener(8000, 104, 5, ())],
    ids=["live stranger", "another user"],
)
def test_a_strangers_listener_is_not_ours(listener: Listener) -> None:
    assert residue(replace(CLEAN, listeners=(listener,), holders=(STRANGER,))) == []


def test_a_listener_of_the_baseline_is_not_ours() -> None:
    listening = replace(CLEAN, listeners=(Listener(8000, 1000, 5, (41,), ("python3",)),))

    assert residue(replace(listening, holders=(RANK,)), before=listening) == []


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (replace(CLEAN, boot_id="b-2"), "node1 was booted again"),
        (replace(CLEAN, gpus=()), r"node1: GPU 0 \(GPU-0\) was there in the baseline and is gone"),
    ],
    ids=["reboot", "lost gpu"],
)
def test_a_broken_node_is_no_residue(after: NodeSnapshot, words: str) -> None:
    with pytest.raises(InfraError, match=words):
        residue(after)


def test_a_node_without_baseline_cannot_be_compared() -> None:
    with pytest.raises(InfraError, match="node2 is not in the baseline"):
        find_residue(
            Snapshot({"node1": CLEAN}),
            Snapshot({"node2": replace(CLEAN, node="node2")}),
            seen_while_running=[],
            stopped_steps=(),
            tolerance_mib=256,
        )


def test_eplb_files_are_counted_per_node() -> None:
    names = [f"moe_shared_l{layer}_lr{rank}_all" for layer in range(58) for rank in range(4)]
    full = replace(CLEAN, shm=tuple(shm(name) for name in [*names, "sem.x", "psm_1"]))

    assert eplb_files(Snapshot({"node1": full, "node2": CLEAN})) == {"node1": 232, "node2": 0}


@pytest.mark.parametrize("name", ["sem.mp-1", "x_l1_lr2", "l1_lr2_all", "nccl-moe_1"])
def test_other_files_of_shared_memory_are_not_eplb(name: str) -> None:
    assert not is_eplb_file(name)


def test_many_findings_are_counted_instead_of_listed() -> None:
    after = replace(CLEAN, shm=tuple(shm(f"moe_{number}", inode=number) for number in range(232)))

    text = in_words(residue(after), at_most=3)

    assert text.count("/dev/shm/moe_") == 3
    assert text.endswith("... and 229 more like these")
