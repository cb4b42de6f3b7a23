"""From a failure to its first cause: gathers the facts of the moment and has them diagnosed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.diagnosis.diagnosis import Diagnosed, Diagnosis, Seen, diagnose
from harness.diagnosis.facts import Fact, Layer
from harness.diagnosis.probe_facts import held_memory, silent_node
from harness.diagnosis.signatures import NODE_UNFIT
from harness.diagnosis.slurm_facts import slurm_facts
from harness.dynamo.deployment import Deployment
from harness.errors import (
    ContainerError,
    Hang,
    InfraError,
    InstanceGone,
    NodeLost,
    NotReady,
    QualificationError,
    RankFailed,
    ServiceSilent,
    SlurmError,
    StepEnded,
)
from harness.nodes.inspection import NodeInspector
from harness.nodes.snapshot import ProbeFailed
from harness.rundir import RunDirectory
from harness.slurm.client import Slurm

SYMPTOMS = (
    ContainerError,
    Hang,
    InstanceGone,
    NodeLost,
    NotReady,
    ProbeFailed,
    RankFailed,
    ServiceSilent,
    SlurmError,
    StepEnded,
)
"""Errors that say that a deployment is dead or dying, and maybe not why.

Of any other error only the end of the job or the loss of a node is taken for the cause.
"""

LOST = (NODE_UNFIT, "node-failure", "ended-by-node-failure")
"""Facts after which the job is over: what fails later fails because of it."""

ENDS_OF_JOB = ("node-failure", "ended-by-node-failure", "time-limit")
"""Words of Slurm in a step's log that no later deployment can have survived."""

LOOK_S = 5.0
"""Deadline of a look at the nodes for a diagnosis; a second is usual."""


class Explainer:
    """Explains the failures of one run, and keeps each diagnosis in the run directory."""

    def __init__(
        self,
        slurm: Slurm,
        directory: RunDirectory,
        inspector: NodeInspector,
        *,
        nodes: Sequence[str],
        gpu_idle_mib: int,
        last: Callable[[], Deployment | None],
    ) -> None:
        """``last`` gives the deployment that was made last, alive or not."""
        self._slurm = slurm
        self._directory = directory
        self._inspector = inspector
        self._nodes = tuple(nodes)
        self._gpu_idle_mib = gpu_idle_mib
        self._numbers = itertools.count(1)
        self._last = last
        self._ground: Diagnosed | None = None

    def explain(
        self, error: QualificationError, deployment: Deployment | None
    ) -> QualificationError:
        """Return the error with its first cause, or as it is where no fact explains it better."""
        if isinstance(error, Diagnosed):
            return error
        facts = self._facts(error, deployment)
        found = diagnose(facts, Seen.of(error))
        if found is None:
            return error
        if self._ground is not None and found.layer in (Layer.JOB, Layer.NODE):
            return Diagnosed(
                replace(self._ground.diagnosis, seen=found.seen), self._ground.cause_id
            )
        return self._kept(found, facts)

    def _kept(self, found: Diagnosis, facts: Sequence[Fact]) -> Diagnosed:
        cause_id = f"cause-{next(self._numbers)}"
        self._directory.write_json(f"diagnoses/{cause_id}.json", found.as_json(facts))
        self._directory.event("diagnosed", {"id": cause_id, "cause": found.cause})
        explained = Diagnosed(found, cause_id)
        if found.layer is Layer.JOB or (found.first is not None and found.first.name in LOST):
            self._ground = explained
        return explained

    def _facts(self, error: QualificationError, deployment: Deployment | None) -> list[Fact]:
        is_symptom = isinstance(error, SYMPTOMS) or type(error) is InfraError
        if deployment is None or not is_symptom:
            return [*slurm_facts(self._slurm, self._nodes), *self._end_of_job()]
        facts = deployment.lookout.facts()
        return [*facts, *self._looked_at(facts, deployment)]

    def _end_of_job(self) -> list[Fact]:
        """Return what the logs of the last deployment say of the job's end: Slurm forgets it."""
        last = self._last()
        said = last.lookout.said_since(0.0, most=None) if last else []
        return [fact for fact in said if fact.name in ENDS_OF_JOB]

    def _looked_at(self, facts: Sequence[Fact], deployment: Deployment) -> list[Fact]:
        """Look at the nodes where a look may show more: who holds GPU memory that a rank lacked."""
        lacking = {f.place.node for f in facts if f.name == "gpu-out-of-memory"} - {""}
        if not lacking:
            return []
        nodes = [node for node in self._nodes if node in lacking]
        try:
            snapshot = self._inspector.snapshot("diagnosis", nodes, timeout_s=LOOK_S, anyway=True)
        except InfraError as blind:
            return silent_node(blind.message, nodes)
        live = {worker.step.number for worker in deployment.workers}
        return held_memory(snapshot, live_steps=live, idle_mib=self._gpu_idle_mib, nodes=lacking)
