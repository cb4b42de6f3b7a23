"""Waiting for GPU memory to come back: every look is kept, at its time and in a file."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfraError
from harness.nodes import keeper as module
from harness.nodes.inspection import NodeInspector
from harness.nodes.keeper import NodeKeeper
from harness.nodes.memory_curve import Look, Settled
from harness.nodes.residue import ResidueKind
from harness.nodes.snapshot import Gpu, NodeSnapshot, NumaNode, Snapshot
from harness.rundir import RunDirectory
from tests.harness.pure.step_kit import LocalSlurm

NODE = NodeSnapshot(
    node="node1",
    boot_id="b-1",
    time_s=1.0,
    python="3.6.15",
    uid=1000,
    elapsed_ms=20.0,
    compute_apps=(),
    shm=(),
    processes=(),
    listeners=(),
    device_holders=(),
)


def using(used_mib: int) -> NodeSnapshot:
    """A node of one GPU with so much memory in use."""
    gpus = (Gpu(0, "GPU-0", "NVIDIA GB200", "580.95.05", 189471, used_mib),)
    return replace(NODE, gpus=gpus, numa=(NumaNode(2, 188416, 1000, 8, 8, ""),))


class Scripted(NodeInspector):
    """An inspector whose nodes show one thing after the other, each after some seconds."""

    def __init__(self, directory: RunDirectory, slurm: LocalSlurm, *looks: NodeSnapshot) -> None:
        nothing: dict[str, int] = {}
        super().__init__(
            slurm.client,
            directory,
            nodes=["node1"],
            ports=nothing,
            leader_ports=nothing,
            account="",
        )
        self.looks = list(looks)
        self.probe_s = 0.0
        self.asked: list[float] = []

    def snapshot(self, moment: str, nodes: Sequence[str] = (), **_: float) -> Snapshot:
        """Return what the script has next; a node does not answer any more when it is over."""
        self.asked.append(time.monotonic())
        time.sleep(self.probe_s)
        if not self.looks:
            raise InfraError(f"{moment}: {nodes or 'node1'} gave no answer")
        self.taken.append(Snapshot({"node1": self.looks.pop(0)}))
        return self.taken[-1]


class Settling:
    """A keeper on scripted nodes, with its baseline taken."""

    def __init__(self, folder: Path, *looks: NodeSnapshot) -> None:
        self.directory = RunDirectory.create(folder / "run", "run7")
        slurm = LocalSlurm(folder)
        self.inspector = Scripted(self.directory, slurm, using(4), *looks)
        self.keeper = NodeKeeper(
            self.inspector,
            slurm.client,
            own_prefix="qualify-run7-",
            own_step="",
            gpu_idle_mib=1024,
            gpu_tolerance_mib=256,
        )
        self.keeper.baseline.get()

    def settle(self) -> Settled:
        """Wait after a shutdown of ``agg``."""
        return self.keeper.settle("after", [], deployment="agg")

    def curve(self, name: str = "agg-after") -> Any:
        """Return the file of a waiting."""
        return json.loads((self.directory.path / "memory" / f"{name}.json").read_text())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look ten times as often."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.1)


def above(looks: Sequence[Look]) -> list[int]:
    return [look.above_mib["node1"][0] for look in looks]


def test_every_look_is_kept_while_memory_comes_back(tmp_path: Path) -> None:
    world = Settling(tmp_path, using(68_004), using(20_004), using(104), using(4))

    settled = world.settle()

    assert above(settled.looks) == [68_000, 20_000, 100]
    assert settled.left == ()
    assert settled.memory_back_s == settled.looks[-1].answered_s
    assert len(world.inspector.looks) == 1


def test_the_first_look_is_at_once_and_the_next_ones_keep_their_pace(tmp_path: Path) -> None:
    world = Settling(tmp_path, using(68_004), using(68_004), using(68_004), using(4))
    world.inspector.probe_s = 0.05

    looks = world.settle().looks

    assert looks[0].asked_s < 0.09
    pauses = [after.asked_s - before.asked_s for before, after in itertools.pairwise(looks)]
    assert all(0.09 <= pause < 1.0 for pause in pauses), pauses


def test_a_slow_probe_is_asked_again_at_once_and_its_time_is_told(tmp_path: Path) -> None:
    world = Settling(tmp_path, using(68_004), using(4))
    world.inspector.probe_s = 0.3
    began = time.time()

    first, second = world.settle().looks

    assert first.asked_s < 0.09
    assert first.answered_s - first.asked_s >= 0.3
    assert second.asked_s - first.answered_s < 0.1
    assert world.curve()["looks"][1]["asked_s"] == round(second.asked_s, 3)
    assert world.curve()["looks"][1]["at"] == round(second.at, 3)
    assert began + 0.5 < second.at <= time.time()


def test_the_curve_is_in_the_run_directory(tmp_path: Path) -> None:
    world = Settling(tmp_path, using(68_004), using(4), using(4))
    world.settle()
    world.settle()

    first, again = world.curve(), world.curve("agg-after-2")

    assert [look["above_mib"] for look in first["looks"]] == [
        {"node1": {"0": 68_000}},
        {"node1": {"0": 0}},
    ]
    assert (first["limit_s"], first["tolerance_mib"]) == (60.0, 256)
    assert len(again["looks"]) == 1


def test_the_curve_stays_when_a_node_stops_answering(tmp_path: Path) -> None:
    world = Settling(tmp_path, using(68_004), using(40_004))

    with pytest.raises(InfraError):
        world.settle()

    assert len(world.curve()["looks"]) == 2


def test_memory_that_does_not_come_back_is_left_when_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GPU_MEMORY_BACK_S", 0.35)
    world = Settling(tmp_path, *[using(68_004)] * 20)

    settled = world.settle()

    assert settled.memory_back_s is None
    assert settled.waited_s >= 0.35
    assert [each.kind for each in settled.left] == [ResidueKind.GPU_MEMORY]
    assert "nobody is found to hold it" in str(settled.left[0])


def test_page_cache_is_not_waited_for_and_is_a_remark(tmp_path: Path) -> None:
    cached = replace(using(5004), numa=(NumaNode(2, 188416, 1000, 5100, 0, ""),))
    world = Settling(tmp_path, cached)

    settled = world.settle()

    assert settled.left == ()
    assert len(settled.looks) == 1
    assert ["page cache" in each for each in world.curve()["remarks"]] == [True]
