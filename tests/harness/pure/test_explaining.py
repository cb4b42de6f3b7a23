"""From the error that somebody ran into to the first cause, kept in the run directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.diagnosis.diagnosis import Diagnosed, diagnose, seen_from
from harness.diagnosis.facts import Fact, fact_from
from harness.diagnosis.signatures import GPU_HELD, HANG
from harness.dynamo.deployment import Deployment
from harness.errors import (
    InfraError,
    NotReady,
    QualificationError,
    ResidueError,
    StepEnded,
    VerdictClass,
)
from harness.explaining import Explainer
from harness.nodes.inspection import NodeInspector
from harness.nodes.snapshot import GpuProcess, Snapshot
from harness.rundir import RunDirectory
from harness.slurm.node_words import NodeRow
from tests.harness.pure.diagnosis_kit import ToldSlurm, known, raised, seen
from tests.harness.pure.fitness_kit import fit_node, nodes

NODES = ("node1", "node2", "node3")
ENDED = StepEnded("agg-0 has ended", hint="see its log")
FOUND = [known("world-size", 0, rank=3), raised("RuntimeError: x", 1, rank=0)]


class Looking(NodeInspector):
    """Shows what it was told of the nodes, or fails as it was told, and counts the looks."""

    def __init__(self, shown: Snapshot | InfraError) -> None:
        self.looks: list[Sequence[str]] = []
        self._shown = shown

    def snapshot(
        self,
        moment: str,  # noqa: ARG002 - the inspector's own signature
        nodes: Sequence[str] = (),
        *,
        condition: bool = False,  # noqa: ARG002
        timeout_s: float = 0.0,  # noqa: ARG002
        anyway: bool = False,  # noqa: ARG002
    ) -> Snapshot:
        """Count, and show."""
        self.looks.append(nodes)
        if isinstance(self._shown, InfraError):
            raise self._shown
        return self._shown


class Case:
    """An explainer, and a deployment that knows some facts."""

    def __init__(self, folder: Path, shown: Snapshot | InfraError | None = None) -> None:
        self.slurm = ToldSlurm()
        self.directory = RunDirectory.create(folder / "run", "run")
        self.looking = Looking(shown or nodes())
        self.explainer = Explainer(
            self.slurm,
            self.directory,
            self.looking,
            nodes=NODES,
            gpu_idle_mib=1024,
            last=lambda: None,
        )

    def explain(
        self, error: QualificationError = ENDED, facts: Sequence[Fact] = ()
    ) -> QualificationError:
        """Explain an error of a deployment of which these facts are known."""
        step = SimpleNamespace(number="18", name="agg-0")
        deployment = SimpleNamespace(
            lookout=SimpleNamespace(facts=lambda: list(facts)),
            plan=SimpleNamespace(placement=SimpleNamespace(nodes=NODES)),
            workers=[SimpleNamespace(step=step)],
        )
        return self.explainer.explain(error, cast(Deployment, deployment))

    def cause(self, error: QualificationError, facts: Sequence[Fact]) -> str:
        """Return the name of the fact that explains an error."""
        found = self.explain(error, facts)
        assert isinstance(found, Diagnosed)
        assert found.diagnosis.first is not None
        return found.diagnosis.first.name


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_an_error_that_facts_explain_is_diagnosed(case: Case) -> None:
    found = case.explain(ENDED, FOUND)

    assert isinstance(found, Diagnosed)
    assert str(found).startswith("StepEnded [CONFIG]: rank 3 of agg-0: says world-size")
    assert found.cause_id == "cause-1"


def test_an_error_that_no_fact_explains_stays_as_it_is(case: Case) -> None:
    assert case.explain(ENDED, []) is ENDED
    assert not (case.directory.path / "diagnoses").exists()


def test_a_diagnosis_is_not_diagnosed_again(case: Case) -> None:
    found = case.explain(ENDED, FOUND)
    case.slurm.said_nodes = [NodeRow("node2", "", "DOWN*")]

    assert case.explain(found, [seen(HANG, 0)]) is found


def test_each_cause_has_an_id_of_its_own(case: Case) -> None:
    found = [case.explain(ENDED, FOUND) for _ in range(2)]

    assert [each.cause_id for each in found if isinstance(each, Diagnosed)] == [
        "cause-1",
        "cause-2",
    ]


def test_a_diagnosis_is_kept_and_can_be_made_again(case: Case) -> None:
    found = case.explain(ENDED, FOUND)
    kept = json.loads((case.directory.path / "diagnoses" / "cause-1.json").read_text())

    again = diagnose([fact_from(fact) for fact in kept["facts"]], seen_from(kept["seen"]))
    assert isinstance(found, Diagnosed)
    assert again == found.diagnosis


def test_only_a_symptom_is_explained_by_what_the_deployment_said(case: Case) -> None:
    left = ResidueError("memory was left")

    assert case.explain(left, FOUND) is left


@pytest.mark.parametrize("error", [ResidueError("memory was left"), ENDED])
def test_a_lost_node_explains_any_error_also_without_a_deployment(
    case: Case, error: QualificationError
) -> None:
    case.slurm.said_nodes = [NodeRow("node2", "", "DOWN*", "Not responding")]

    found = case.explainer.explain(error, None)
    assert isinstance(found, Diagnosed)
    assert found.verdict_class is VerdictClass.INFRA
    assert "node2 is down" in found.message
    assert str(found).startswith(f"{type(error).__name__} [INFRA]")


def test_an_exception_explains_what_did_not_become_ready(case: Case) -> None:
    facts = [raised("ValueError: x", 0, rank=3)]

    assert case.cause(NotReady("not registered"), facts) == "exception"
    assert case.explain(ENDED, facts) is ENDED


def test_a_strangers_memory_explains_a_lack_of_it(tmp_path: Path) -> None:
    app = GpuProcess("GPU-node3-1", 77, "train", 150_000)
    case = Case(tmp_path, nodes(fit_node("node3", compute_apps=(app,), processes=())))
    lack = known("gpu-out-of-memory", 0, rank=9, node="node3")

    assert case.cause(ENDED, [lack]) == GPU_HELD
    assert case.looking.looks == [["node3"]]


def test_a_strangers_memory_on_another_node_explains_nothing(tmp_path: Path) -> None:
    app = GpuProcess("GPU-node3-1", 77, "train", 150_000)
    case = Case(tmp_path, nodes(fit_node("node3", compute_apps=(app,), processes=())))
    lack = known("gpu-out-of-memory", 0, rank=1, node="node1")

    assert case.cause(ENDED, [lack]) == "gpu-out-of-memory"


def test_nodes_are_not_looked_at_where_a_look_shows_no_more(case: Case) -> None:
    case.explain(ENDED, FOUND)

    assert case.looking.looks == []
