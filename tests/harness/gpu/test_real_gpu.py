"""What the probe sees of real GPU memory, and what the comparison says of it when it stays."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from harness.deadline import Deadline, wait_until
from harness.nodes.residue import ResidueKind
from tests.harness.gpu.world import NODE, GpuWorld

MIB = 2048


def test_memory_of_a_rank_is_seen_with_its_process_and_comes_back(gpu_world: GpuWorld) -> None:
    """2 GiB of an orderly rank: seen on the GPU and by pid, back at the baseline after its end."""
    baseline = gpu_world.snapshot()
    idle_mib = baseline.nodes[NODE].gpus[0].memory_used_mib or 0  # type: ignore[index]
    rank = gpu_world.start("hold", str(MIB))
    running = gpu_world.snapshot()
    seen = running.nodes[NODE]
    rank.let_go()
    looks = gpu_world.curve(idle_mib)
    after = gpu_world.snapshot()

    assert seen.gpus is not None
    assert (seen.gpus[0].memory_used_mib or 0) >= idle_mib + MIB
    assert [process.pid for process in seen.processes or ()] == [rank.pid]
    assert gpu_world.left(baseline, after, seen=[running]) == []
    print(f"memory back after {looks[-1][0]} s in {len(looks)} looks: {looks}")


def test_rank_that_ignores_sigterm_is_named_with_its_memory(gpu_world: GpuWorld) -> None:
    """A deaf rank after its step: a process and GPU memory left, both with its pid."""
    baseline = gpu_world.snapshot()
    rank = gpu_world.start("hold", str(MIB), "--deaf")
    running = gpu_world.snapshot()
    rank.process.send_signal(signal.SIGTERM)
    after = gpu_world.snapshot()
    left = {each.kind: str(each) for each in gpu_world.left(baseline, after, seen=[running])}

    assert set(left) == {ResidueKind.PROCESS, ResidueKind.GPU_MEMORY}
    assert str(rank.pid) in left[ResidueKind.PROCESS]
    assert str(rank.pid) in left[ResidueKind.GPU_MEMORY]
    print(left[ResidueKind.GPU_MEMORY])


def test_orphaned_child_that_leaks_is_found(gpu_world: GpuWorld) -> None:
    """The rank's process has ended, its child in another session holds on: found and named."""
    baseline = gpu_world.snapshot()
    rank = gpu_world.start("orphan", str(MIB))
    wait_until(lambda: rank.process.poll() is not None, Deadline.after(10))
    after = gpu_world.snapshot()
    left = {each.kind: str(each) for each in gpu_world.left(baseline, after, seen=[])}

    assert rank.process.poll() == 0
    assert str(rank.pid) in left[ResidueKind.PROCESS]
    assert str(rank.pid) in left[ResidueKind.GPU_MEMORY]
    print(left[ResidueKind.GPU_MEMORY])


def test_memory_kept_by_an_importer_is_told(gpu_world: GpuWorld) -> None:
    """Memory exported over CUDA IPC whose owner died while the importer lives: what stays."""
    baseline = gpu_world.snapshot()
    idle_mib = baseline.nodes[NODE].gpus[0].memory_used_mib or 0  # type: ignore[index]
    owner = gpu_world.start("export", str(MIB))
    importer = gpu_world.start("import", owner.facts["handle"])
    running = gpu_world.snapshot()
    owner.kill()
    after = gpu_world.snapshot()
    used_mib = after.nodes[NODE].gpus[0].memory_used_mib or 0  # type: ignore[index]
    left = [str(each) for each in gpu_world.left(baseline, after, seen=[running])]

    assert used_mib > idle_mib
    assert any(str(importer.pid) in sentence for sentence in left)
    print(f"{used_mib} MiB in use after the owner's death; {left}")
    importer.let_go()
    print(gpu_world.curve(idle_mib))


def test_strangers_memory_is_not_ours(gpu_world: GpuWorld) -> None:
    """A stranger that takes memory while the run goes on is no leak of the run."""
    baseline = gpu_world.snapshot()
    rank = gpu_world.start("hold", str(MIB))
    stranger = gpu_world.start("hold", str(MIB), ours=False)
    running = gpu_world.snapshot()
    rank.let_go()
    after = gpu_world.snapshot()

    assert gpu_world.left(baseline, after, seen=[running]) == []
    assert os.path.exists(f"/proc/{stranger.pid}")  # noqa: PTH110 - it lives on, untouched


def test_holder_that_the_probe_cannot_see_is_told(gpu_world: GpuWorld) -> None:
    """From another PID namespace nobody is seen who holds it: said so, with what was looked at."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("needs unshare and root for a PID namespace of its own")
    apart = ("unshare", "--pid", "--fork", "--mount-proc")
    baseline = gpu_world.snapshot(apart)
    rank = gpu_world.start("hold", str(MIB))
    after = gpu_world.snapshot(apart)
    [left] = gpu_world.left(baseline, after, seen=[])

    assert left.kind is ResidueKind.GPU_MEMORY
    assert rank.process.poll() is None
    print(after.nodes[NODE].compute_apps, str(left))
