"""What Slurm says of the job and its nodes, as facts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.diagnosis.signatures import JOB_ENDED, NODE_UNFIT
from harness.errors import VerdictClass
from harness.slurm.client import Slurm
from harness.slurm.node_words import NodeRow
from harness.slurm.words import JobRow

GONE = {"DOWN", "ERROR", "FAIL", "NOT_RESPONDING", "POWERED_DOWN", "POWERING_DOWN"}
"""States in which a node's tasks have ended or cannot be reached; a drained one goes on."""

_REASONS = {
    "TimeLimit": "its time limit is over (walltime)",
    "NodeDown": "a node of it went down",
    "NodeFail": "a node of it failed",
}


def slurm_facts(slurm: Slurm, nodes: Sequence[str]) -> list[Fact]:
    """Ask Slurm for the job and the nodes; what it does not answer in a moment is no fact."""
    return [*job_facts(slurm.job()), *node_facts(slurm.nodes_briefly(nodes))]


def job_facts(job: JobRow | None) -> list[Fact]:
    """Return the end of a job as a fact, if it has ended."""
    if job is None or not job.over:
        return []
    reason = "" if job.reason == "None" else job.reason
    told = _REASONS.get(reason, f"reason: {reason}" if reason else "")
    state = "is being ended (cancelled, or at its end)" if job.state == "COMPLETING" else job.state
    if job.state == "COMPLETING" and told:
        state = "is being ended"
    words = f"job {job.job_id} {'is ' if state == job.state else ''}{state}"
    ends = f" {job.end_time}" if job.end_time else ""
    return [_fact(Layer.JOB, JOB_ENDED, f"{words}{f': {told}' if told else ''}, ended{ends}")]


def node_facts(rows: Iterable[NodeRow]) -> list[Fact]:
    """Return the nodes that are lost, as facts."""
    return [
        _fact(Layer.NODE, NODE_UNFIT, row.why_unfit, node=row.name)
        for row in rows
        if GONE & set(row.flags)
    ]


def _fact(layer: Layer, name: str, words: str, *, node: str = "") -> Fact:
    return Fact(
        time.time(),
        Source.SLURM,
        layer,
        Weight.BREAK,
        words,
        Place(node=node),
        name,
        str(VerdictClass.INFRA),
    )
