"""A shutdown's facts: what is proved by finding nothing, and the figures that are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.dynamo.shutdown import Shutdown, measure
from harness.dynamo.stop import StopReport
from harness.errors import NothingProved, ResidueError
from harness.measures import Measure, Measures
from harness.nodes.memory_curve import Look, Settled
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.seen import Unseen
from harness.nodes.snapshot import NodeSnapshot, ShmEntry, Snapshot
from harness.rundir import RunDirectory

REPORT = StopReport("agg-0", "7.18", 0, (), 120.0, 0.1, 5.0, escalated=False, gone_from_slurm=True)
FILES = tuple(
    ShmEntry(f"moe_shared_run7_agg_agg-0_l{n}_lr0_all", n, 64, 0, 1.0, (41,)) for n in range(58)
)
NODE = NodeSnapshot(
    node="node1", boot_id="b-1", time_s=1.0, python="3.6.15", uid=0, elapsed_ms=20.0, shm=FILES
)
GPU_LEFT = Residue(ResidueKind.GPU_MEMORY, "node1", "GPU-0", 68_000, (), "GPU 0 has memory")
FILE_LEFT = Residue(ResidueKind.SHM_FILE, "node1", "moe_x", 64, (), "moe_x is left")
BLIND = Unseen(ResidueKind.PROCESS, "node1: no process of agg-0 (step 18)")


def stopped(*left: Residue, unseen: Sequence[Unseen] = (), waited_s: float = 1.5) -> Shutdown:
    """A shutdown that left something, after two looks."""
    looks = (
        Look(0.0, 0.4, {"node1": {0: 68_000}}, at=100.4),
        Look(1.0, waited_s, {"node1": {0: 0}}, at=100.0 + waited_s),
    )
    return Shutdown(
        running=Snapshot({"node1": NODE}),
        unseen=tuple(unseen),
        workers=(REPORT,),
        services=REPORT,
        instances_left=(),
        models_left=(),
        steps_left=(),
        settled=Settled(Snapshot({"node1": NODE}), left, (), looks),
        eplb_nodes=("node1",),
        workers_ended_s=2.1,
    )


def measured(shutdown: Shutdown, folder: Path) -> dict[str, Measure]:
    measures = Measures(RunDirectory.create(folder / "run", "run7"))
    measure(shutdown, measures, where="agg")
    kept = json.loads((folder / "run" / "measures.json").read_text())
    return {each["name"]: Measure(**each) for each in kept}


def test_nothing_left_after_workers_that_were_seen_is_a_proof() -> None:
    stopped().check_nothing_left()


def test_nothing_left_after_workers_that_were_not_seen_proves_nothing() -> None:
    shutdown = stopped(unseen=[BLIND])

    for kinds in ((), (ResidueKind.PROCESS,)):
        with pytest.raises(NothingProved, match=r"no process of agg-0 \(step 18\)"):
            shutdown.check_nothing_left(*kinds)
    shutdown.check_nothing_left(ResidueKind.GPU_MEMORY)


def test_what_is_left_is_left_whatever_was_seen_before() -> None:
    with pytest.raises(ResidueError, match="GPU 0 has memory"):
        stopped(GPU_LEFT, unseen=[BLIND]).check_nothing_left()


def test_figures_of_a_shutdown_are_measured(tmp_path: Path) -> None:
    found = measured(stopped(), tmp_path)

    back = found["GPU memory back after"]
    assert (back.value, back.unit, back.limit, back.where) == (1.5, "s", 60.0, "agg")
    assert back.note == "look 2, the last worker had ended 2.1 s before the first"
    seen, left = found["EPLB files seen while running"], found["EPLB files left"]
    assert (seen.value, seen.limit, seen.note) == (58, None, "node1: 58")
    assert (left.value, left.limit, left.note) == (0, 0, "node1: 0")


def test_memory_that_did_not_come_back_is_over_its_limit(tmp_path: Path) -> None:
    found = measured(stopped(GPU_LEFT, FILE_LEFT, waited_s=60.4), tmp_path)

    assert not found["GPU memory back after"].within_limit
    assert found["GPU memory back after"].note.endswith("not back on 1 GPUs")
    assert not found["EPLB files left"].within_limit
