"""What a look at the nodes adds to a diagnosis: holders of memory, stopped ranks, silent nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.diagnosis.facts import Layer, Source
from harness.diagnosis.probe_facts import held_memory, silent_node, stopped_ranks
from harness.diagnosis.signatures import GPU_HELD, GPU_LEFT, NODE_SILENT, RANK_STOPPED
from harness.nodes.snapshot import GpuProcess, JobProcess, Snapshot
from tests.harness.pure.fitness_kit import fit_node, nodes

RANK = JobProcess(41, 40, 990, 1000, "python3", "python3 -m worker", "environ", "18", 9)
GPU = "GPU-node3-1"
NODES = ("node1", "node2", "node3")


def held(*apps: GpuProcess, rank: JobProcess = RANK, on: tuple[str, ...] = NODES) -> list[str]:
    """Return what is said of node3, where step 18 is alive."""
    node = fit_node("node3", compute_apps=apps, processes=(rank,))
    facts = held_memory(nodes(node), live_steps={"18"}, idle_mib=1024, nodes=on)
    assert all(fact.source is Source.PROBE and fact.layer is Layer.NODE for fact in facts)
    return [f"{fact.name} {fact.place.node} {fact.verdict_class}: {fact.words}" for fact in facts]


def test_a_live_ranks_own_memory_is_no_fact() -> None:
    assert held(GpuProcess(GPU, 41, "python3", 150_000)) == []


def test_a_strangers_memory_is_named_with_gpu_and_pid() -> None:
    [told] = held(GpuProcess(GPU, 77, "train", 150_000))

    assert told == (
        f"{GPU_HELD} node3 INFRA: node3: GPU 1 ({GPU}): 150000 MiB are held by pid 77 (train),"
        " which is not of this job"
    )


def test_memory_of_a_step_that_has_ended_was_left_behind() -> None:
    left = replace(RANK, step="17")

    [told] = held(GpuProcess(GPU, 41, "python3", 150_000), rank=left)
    assert told == (
        f"{GPU_LEFT} node3 LEAK: node3: GPU 1 ({GPU}): 150000 MiB are held by pid 41 (python3)"
        " of step 17, which has ended"
    )


@pytest.mark.parametrize("memory_mib", [1024, 0, None])
def test_a_little_memory_is_no_fact(memory_mib: int | None) -> None:
    assert held(GpuProcess(GPU, 77, "monitor", memory_mib)) == []


def test_nodes_that_lack_no_memory_are_not_looked_at() -> None:
    assert held(GpuProcess(GPU, 77, "train", 150_000), on=("node1",)) == []


def test_what_could_not_be_read_is_no_fact() -> None:
    blind = fit_node("node3", gpus=None, compute_apps=None, processes=None)

    assert held_memory(nodes(blind), live_steps={"18"}, idle_mib=0, nodes=NODES) == []
    assert stopped_ranks(nodes(blind), {"18": "agg-0"}) == []


def stopped(**changes: object) -> list[str]:
    process = replace(RANK, **{"stopped": True, **changes})  # type: ignore[arg-type]
    facts = stopped_ranks(Snapshot({"node3": fit_node("node3", processes=(process,))}),
                          {"18": "agg-0"})  # fmt: skip
    return [f"{fact.name} {fact.place}: {fact.words}" for fact in facts]


def test_a_stopped_rank_is_named() -> None:
    words = "process 41 (python3) of rank 9 is stopped"

    assert stopped() == [f"{RANK_STOPPED} rank 9 on node3 of agg-0 (step 18): {words}"]


@pytest.mark.parametrize(
    "changes",
    [{"stopped": False}, {"stopped": None}, {"rank": None}, {"step": "17"}, {"step": None}],
    ids=["runs", "unknown", "no rank", "another step", "no step"],
)
def test_no_other_process_is_a_stopped_rank(changes: dict[str, object]) -> None:
    assert stopped(**changes) == []


@pytest.mark.parametrize(
    ("words", "silent"),
    [
        (
            "no end within 6 s: srun: error: Task launch for StepId=7.9 failed on node node3: no",
            ["node3"],
        ),
        ("srun: error: slurm_receive_msgs: [[node2]:6818] failed: Socket timed out", ["node2"]),
        ("no word came from node1, node3: the step did not end", ["node1", "node3"]),
        ("no word came from node1, node2, node3: the step did not end", []),
        ("srun: error: Unable to contact slurm controller", []),
    ],
)
def test_nodes_are_silent_that_a_failed_look_names(words: str, silent: list[str]) -> None:
    facts = silent_node(words, NODES)

    assert [fact.place.node for fact in facts] == silent
    assert {fact.name for fact in facts} <= {NODE_SILENT}
    assert all(fact.verdict_class == "INFRA" for fact in facts)


def test_a_node_is_not_taken_for_one_whose_name_begins_alike() -> None:
    words = "srun: error: Task launch for StepId=7.9 failed on node node12: no"

    assert [fact.place.node for fact in silent_node(words, ("node1", "node12"))] == ["node12"]
