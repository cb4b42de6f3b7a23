"""What Slurm says of a job and its nodes, as facts."""

from __future__ import annotations

import pytest

from harness.diagnosis.facts import Layer, Source, Weight
from harness.diagnosis.signatures import JOB_ENDED, NODE_UNFIT
from harness.diagnosis.slurm_facts import job_facts, node_facts
from harness.slurm.node_words import NodeRow
from harness.slurm.words import JobRow

END = "2026-11-28T18:52:53"
WALLTIME = "its time limit is over (walltime)"


@pytest.mark.parametrize("job", [None, JobRow("7", "RUNNING", "None", END)])
def test_a_job_that_runs_or_is_not_told_of_is_no_fact(job: JobRow | None) -> None:
    assert job_facts(job) == []


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("CANCELLED", "None", f"job 7 is CANCELLED, ended {END}"),
        ("FAILED", "", f"job 7 is FAILED, ended {END}"),
        ("TIMEOUT", "TimeLimit", f"job 7 is TIMEOUT: {WALLTIME}, ended {END}"),
        ("COMPLETING", "NodeDown", f"job 7 is being ended: a node of it went down, ended {END}"),
        ("COMPLETING", "None", f"job 7 is being ended (cancelled, or at its end), ended {END}"),
        ("FAILED", "NonZeroExitCode", f"job 7 is FAILED: reason: NonZeroExitCode, ended {END}"),
    ],
)
def test_the_end_of_a_job_is_a_fact_in_words(state: str, reason: str, words: str) -> None:
    [fact] = job_facts(JobRow("7", state, reason, END))

    assert fact.words == words
    assert (fact.name, fact.layer, fact.source) == (JOB_ENDED, Layer.JOB, Source.SLURM)
    assert (fact.weight, fact.verdict_class) == (Weight.BREAK, "INFRA")


@pytest.mark.parametrize("state", ["DOWN", "DOWN*+DRAIN", "ALLOCATED*", "IDLE~", "ERROR", "FAIL"])
def test_a_node_that_is_lost_is_a_fact(state: str) -> None:
    [fact] = node_facts([NodeRow("node3", "10.0.0.3", state, "Not responding")])

    assert (fact.name, fact.layer, fact.place.node) == (NODE_UNFIT, Layer.NODE, "node3")
    assert fact.words.startswith("node3 ")
    assert state in fact.words
    assert "Not responding" in fact.words
    assert fact.verdict_class == "INFRA"


@pytest.mark.parametrize("state", ["ALLOCATED", "MIXED", "IDLE", "ALLOCATED+DRAIN", "MIXED-"])
def test_a_node_whose_tasks_go_on_is_no_fact(state: str) -> None:
    assert node_facts([NodeRow("node3", "10.0.0.3", state)]) == []


def test_each_lost_node_is_a_fact_of_its_own() -> None:
    rows = [NodeRow(f"node{n}", "", "DOWN" if n % 2 else "IDLE") for n in range(1, 5)]

    assert [fact.place.node for fact in node_facts(rows)] == ["node1", "node3"]
