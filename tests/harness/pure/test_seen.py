"""That nothing is left counts only from a probe that saw what was alive."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.nodes.residue import ResidueKind
from harness.nodes.seen import AtWork, Unseen, find_unseen
from harness.nodes.snapshot import (
    Gpu,
    GpuProcess,
    JobProcess,
    NodeSnapshot,
    ShmEntry,
    Snapshot,
    Unreadable,
)

RANK = JobProcess(41, 40, 990, 1000, "python3", "python3 -m worker", "environ", "18", 9)
AGG_0 = AtWork("agg-0", "18", ("node1", "node2"), gpus_per_node=2)
FILE = ShmEntry("moe_shared_l0_lr0_all", 7, 4096, 1000, 12.0, (41,))


def gpus(*used_mib: int) -> tuple[Gpu, ...]:
    return tuple(
        Gpu(index, f"GPU-{index}", "NVIDIA GB200", "580.95.05", 189471, used)
        for index, used in enumerate(used_mib)
    )


CLEAN = NodeSnapshot(
    node="node1",
    boot_id="b-1",
    time_s=1.0,
    python="3.6.15",
    uid=1000,
    elapsed_ms=20.0,
    gpus=gpus(4, 4),
    compute_apps=(),
    shm=(),
    processes=(),
)
ALIVE = replace(CLEAN, gpus=gpus(150_000, 150_000), processes=(RANK,), shm=(FILE,))


def both(first: NodeSnapshot, second: NodeSnapshot) -> Snapshot:
    return Snapshot({"node1": first, "node2": replace(second, node="node2")})


def unseen(second: NodeSnapshot, *workers: AtWork, eplb: tuple[str, ...] = ()) -> list[Unseen]:
    """Return what was not seen of workers when node2 showed this, and node1 all of it."""
    return find_unseen(
        both(CLEAN, CLEAN),
        both(ALIVE, second),
        workers or (AGG_0,),
        tolerance_mib=256,
        eplb_nodes=eplb,
    )


def test_nothing_is_unseen_of_a_worker_that_was() -> None:
    assert unseen(ALIVE, eplb=("node1", "node2")) == []


@pytest.mark.parametrize("step", ["17", None], ids=["another step", "no step"])
def test_a_node_without_a_process_of_the_step_is_named(step: str | None) -> None:
    other = replace(ALIVE, processes=(replace(RANK, step=step),), unread={0: 143})

    [found] = unseen(other)

    assert found.kind is ResidueKind.PROCESS
    assert str(found) == ("node2: no process of agg-0 (step 18) (143 of uid 0 could not be read)")


def test_a_step_without_a_number_was_not_seen() -> None:
    found = unseen(ALIVE, replace(AGG_0, step=""))

    assert [each.kind for each in found] == [ResidueKind.PROCESS] * 2


@pytest.mark.parametrize("used_mib", [4, 260], ids=["as before", "within the tolerance"])
def test_a_gpu_without_memory_above_the_baseline_is_named(used_mib: int) -> None:
    [found] = unseen(replace(ALIVE, gpus=gpus(150_000, used_mib)))

    assert found.kind is ResidueKind.GPU_MEMORY
    assert str(found) == ("node2: memory of agg-0 on 1 of its 2 GPUs (above the baseline: GPU 0)")


def test_gpus_that_the_worker_does_not_have_need_no_memory() -> None:
    half = replace(AGG_0, gpus_per_node=1)

    assert unseen(replace(ALIVE, gpus=gpus(150_000, 4)), half) == []


def test_what_could_not_be_read_was_not_seen() -> None:
    errors = (Unreadable("gpus", "status 9"), Unreadable("processes", "not done"))
    blind = replace(ALIVE, gpus=None, processes=None, errors=errors)

    process, memory = unseen(blind)

    assert str(process).endswith("(step 18): they could not be read: not done")
    assert str(memory).endswith("on 0 of its 2 GPUs: it could not be read: status 9")


def test_a_strangers_memory_is_not_the_workers() -> None:
    apps = (GpuProcess("GPU-1", 77, "train", 149_996),)

    [found] = unseen(replace(ALIVE, compute_apps=apps))

    assert found.kind is ResidueKind.GPU_MEMORY


def test_a_node_that_should_balance_experts_and_showed_no_file_is_named() -> None:
    [found] = unseen(replace(ALIVE, shm=()), eplb=("node1", "node2"))

    assert found.kind is ResidueKind.SHM_FILE
    assert str(found).startswith("node2: no shared memory file")
