"""Questions are asked once; a no is told to the first who asks, and keeps deployments away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.dynamo.plan import make_plan
from harness.dynamo.rehearsal import RankAnswer, Rehearsal
from harness.errors import EnvironmentUnfit, LaunchUnfit, NodeUnfit, VerdictClass
from harness.fitness import Asked, Fitness, Question, container
from harness.fitness.question import TOLD_ONLY
from harness.nodes.snapshot import Snapshot
from harness.once import NotRun
from harness.rundir import RunDirectory
from harness.settings import PROJECT_ROOT, Settings
from harness.slurm.client import Slurm
from harness.slurm.node_words import NodeRow
from harness.slurm.srun import StepSpec
from tests.harness.pure.fitness_kit import fit_node

NODES = ("node1", "node2", "node3", "node4")


class SlurmDouble(Slurm):
    """Answers questions as it was told, and counts them."""

    def __init__(self) -> None:
        super().__init__("7", {})
        self.rows = [NodeRow(node, node, "ALLOCATED") for node in NODES]
        self.types: tuple[str, ...] = ("none", "pmix")
        self.left_s: float | None = 9000.0
        self.asked = 0
        self.first: list[list[NodeRow]] = []

    def nodes(self, _: object) -> list[NodeRow]:
        """Return the rows."""
        self.asked += 1
        return self.first.pop(0) if self.first else self.rows

    def mpi_types(self) -> tuple[str, ...]:
        """Return the plugins."""
        return self.types

    def seconds_left(self) -> float | None:
        """Return the time left."""
        return self.left_s


@pytest.fixture
def slurm() -> SlurmDouble:
    """A Slurm with nothing to complain of."""
    return SlurmDouble()


@pytest.fixture
def snapshot() -> dict[str, Snapshot]:
    """What the baseline will be, to be changed."""
    return {"now": Snapshot({node: fit_node(node) for node in NODES})}


@pytest.fixture
def fitness(tmp_path: Path, slurm: SlurmDouble, snapshot: dict[str, Snapshot]) -> Fitness:
    """The questions about an aggregated worker of 4 nodes with two GPUs each."""
    settings = Settings(image="/i.sqsh", num_gpus_per_node=2, mounts=f"{PROJECT_ROOT}:/mnt")
    plan = make_plan(
        ["agg"],
        settings,
        nodes=NODES,
        head_address="10.0.0.1",
        run_id="r",
        job_id="7",
        log_root=tmp_path,
    )
    directory = RunDirectory.create(tmp_path / "run", "r")
    return Fitness(Asked(settings, plan, slurm, directory, lambda: snapshot["now"]))


def test_an_answer_is_found_out_once_and_kept(
    fitness: Fitness, slurm: SlurmDouble, tmp_path: Path
) -> None:
    assert fitness.ask(Question.STATES) is fitness.ask(Question.STATES)
    fitness.ask(Question.WALLTIME)

    kept = json.loads((tmp_path / "run" / "preflight.json").read_text())
    assert slurm.asked == 1
    assert kept[Question.STATES] == []
    assert "9000 s of the job are left" in kept[Question.WALLTIME][0]
    assert list(fitness.facts()) == ["preflight_walltime"]


def test_a_no_is_told_once_and_keeps_deployments_away(fitness: Fitness, slurm: SlurmDouble) -> None:
    slurm.rows[2] = NodeRow("node3", "", "MIXED+DRAIN", "Kill task failed")

    with pytest.raises(NodeUnfit) as told:
        fitness.ask(Question.STATES)
    with pytest.raises(NotRun):
        fitness.ask(Question.STATES)
    with pytest.raises(NotRun):
        fitness.require()

    assert told.value.verdict_class is VerdictClass.INFRA
    assert "node3 is drained (state MIXED+DRAIN; reason: Kill task failed)" in str(told.value)
    assert "hint: " in str(told.value)


def test_nodes_that_a_new_controller_does_not_know_yet_are_waited_for(
    fitness: Fitness, slurm: SlurmDouble
) -> None:
    """slurmctld has been restarted: its nodes are UNKNOWN until each has registered."""
    slurm.first = [[NodeRow(node, node, "UNKNOWN") for node in NODES]]
    fitness.ask(Question.STATES)

    assert slurm.asked == 2


def test_a_deployment_asks_itself_when_no_test_did(fitness: Fitness, slurm: SlurmDouble) -> None:
    slurm.rows = slurm.rows[:3]

    with pytest.raises(NodeUnfit, match="node4 is not known to Slurm"):
        fitness.require()


def test_gpus_are_held_against_the_plan(fitness: Fitness, snapshot: dict[str, Snapshot]) -> None:
    few = fit_node("node2", gpus=(fit_node("node2").gpus or ())[:1])
    snapshot["now"] = Snapshot({**snapshot["now"].nodes, "node2": few})

    with pytest.raises(NodeUnfit, match="node2: 2 GPUs are planned, nvidia-smi shows 1"):
        fitness.ask(Question.GPU_COUNT)


def test_srun_without_pmix_is_infra(fitness: Fitness, slurm: SlurmDouble) -> None:
    slurm.types = ("none", "pmi2")

    with pytest.raises(LaunchUnfit, match="expected pmix") as told:
        fitness.ask(Question.MPI)

    assert told.value.verdict_class is VerdictClass.INFRA


def test_too_little_walltime_is_told_and_no_reason_not_to_try(
    fitness: Fitness, slurm: SlurmDouble
) -> None:
    slurm.left_s = 60.0

    with pytest.raises(EnvironmentUnfit, match="60 s of the job are left") as told:
        fitness.ask(Question.WALLTIME)

    assert told.value.verdict_class is VerdictClass.CONFIG
    assert Question.WALLTIME in TOLD_ONLY


def test_another_nodes_address_is_refused_before_it_is_called(
    fitness: Fitness, snapshot: dict[str, Snapshot]
) -> None:
    head = fit_node("node1", addresses=("10.0.0.9", "127.0.0.1"))
    snapshot["now"] = Snapshot({**snapshot["now"].nodes, "node1": head})

    with pytest.raises(EnvironmentUnfit, match=r"10\.0\.0\.1 is no address of head node node1"):
        fitness.ask(Question.HEAD)


def rehearse_with(monkeypatch: pytest.MonkeyPatch, **injected: str) -> None:
    """Let the rehearsal find these variables on every node, and nothing that is wrong."""

    def rehearse(_slurm: Slurm, spec: StepSpec, **_: object) -> Rehearsal:
        answers = [
            RankAnswer(
                host=node,
                rank=rank,
                tasks=spec.tasks,
                pmix_rank=rank,
                pmix_namespace="slurm.pmix.7.0",
                variables=dict(spec.variables),
                injected=injected,
                model_folder=None,
            )
            for rank, node in enumerate(node for node in spec.nodes for _ in range(2))
        ]
        return Rehearsal(spec, tuple(answers))

    monkeypatch.setattr(container, "rehearse", rehearse)
    monkeypatch.setattr(container, "balancer_paths", lambda *_: ())


def test_a_proxy_between_the_parts_keeps_deployments_away(
    fitness: Fitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearse_with(monkeypatch, http_proxy="http://proxy:3128", no_proxy="localhost")

    with pytest.raises(EnvironmentUnfit, match="http_proxy=http://proxy:3128 in the") as told:
        fitness.ask(Question.PROXY)

    assert told.value.verdict_class is VerdictClass.CONFIG
    assert "no_proxy=10.0.0.1 " in str(told.value)
    assert Question.PROXY not in TOLD_ONLY


def test_a_proxy_that_the_parts_are_excepted_from_is_told_alone(
    fitness: Fitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearse_with(monkeypatch, http_proxy="http://proxy:3128", no_proxy="10.0.0.0/8")
    fitness.ask(Question.PROXY)

    told = fitness.ask(Question.INJECTED).said
    assert told == ("http_proxy=http://proxy:3128", "no_proxy=10.0.0.0/8")
