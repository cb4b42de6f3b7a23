"""How a step ended, as facts; and whose matter a container is that some nodes refuse."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.diagnosis.cause import first_cause
from harness.diagnosis.facts import Fact, Layer, Weight
from harness.diagnosis.listener import StepListener
from harness.diagnosis.signatures import RANK_ENDED, RANK_KILLED, STEP_CANCELLED, STEP_ENDED
from harness.diagnosis.step_facts import step_facts
from harness.errors import ContainerError, NodeUnfit, VerdictClass
from harness.slurm.step import Step
from tests.harness.pure.diagnosis_kit import known, raised
from tests.harness.pure.step_kit import UNTIL_TERM, LocalSlurm, local_slurm

NODES = ("node1", "node2", "node3", "node4")
ENDS = {RANK_KILLED, RANK_ENDED, STEP_CANCELLED, STEP_ENDED}
LAUNCHED = [
    f"srun: launching StepId=7.1 on host {node}, 4 tasks: [{4 * at}-{4 * at + 3}]"
    for at, node in enumerate(NODES)
]
REFUSED = [
    "slurmstepd-node3: error: pyxis:     [ERROR] No such file or directory: /srv/none.sqsh",
    "slurmstepd-node3: error: pyxis: failed to create container filesystem",
]


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


def facts_of(step: Step) -> list[Fact]:
    """Return all facts of a step that is first asked about now."""
    listener = StepListener(step.name, (step.err, step.out), Layer.ENGINE)
    return step_facts(step, listener.facts(), Layer.ENGINE)


def end_of(facts: Sequence[Fact]) -> Fact:
    [end] = [fact for fact in facts if fact.name in ENDS]
    return end


def tell(slurm: LocalSlurm, *lines: str, code: int = 1) -> Step:
    return slurm.tell("agg-0", *LAUNCHED, *lines, code=code, nodes=NODES)


def test_a_step_that_lives_has_no_end(slurm: LocalSlurm) -> None:
    assert facts_of(slurm.launch("agg-0", UNTIL_TERM)) == []


@pytest.mark.parametrize(
    ("log", "code", "name", "words", "layer"),
    [
        ("rank_killed", 143, RANK_KILLED, "rank 9 on node3: SIGKILL", Layer.ENGINE),
        ("rank_exits", 143, RANK_ENDED, "rank 9 on node3: exit code 3", Layer.ENGINE),
        ("rank_segfaults", 143, RANK_KILLED, "rank 5 on node2: SIGSEGV", Layer.ENGINE),
        ("completed", 0, STEP_ENDED, "the step ended with exit code 0", Layer.ENGINE),
        ("scancelled", 137, STEP_CANCELLED, "the step was cancelled", Layer.LAUNCH),
        ("step_refused", 1, STEP_ENDED, "the step ended with exit code 1", Layer.LAUNCH),
    ],
)
def test_an_end_is_named_and_has_its_layer(
    slurm: LocalSlurm, log: str, code: int, name: str, words: str, layer: Layer
) -> None:
    step = slurm.replay(log, code)
    assert wait_until(lambda: step.exit_code is not None, Deadline.after(20))

    end = end_of(facts_of(step))
    assert (end.name, end.words, end.layer, end.weight) == (name, words, layer, Weight.BREAK)
    assert end.verdict_class == ("INFRA" if layer is Layer.LAUNCH else "FAIL")


def test_an_end_has_node_rank_step_and_log(slurm: LocalSlurm) -> None:
    step = tell(slurm, "srun: error: node3: task 9: Killed", code=137)
    place = end_of(facts_of(step)).place

    assert (place.step, place.step_id, place.node, place.rank) == ("agg-0", "7.1", "node3", 9)
    assert place.file == str(step.err)


def test_several_tasks_that_ended_together_are_no_one_rank(slurm: LocalSlurm) -> None:
    end = end_of(facts_of(tell(slurm, "srun: error: node1: tasks 0,2: Exited with exit code 1")))

    assert (end.place.node, end.place.rank) == ("node1", None)
    assert end.words == "ranks 0, 2 on node1: exit code 1"


def test_what_a_rank_said_has_the_node_that_it_was_launched_on(slurm: LocalSlurm) -> None:
    facts = facts_of(tell(slurm, "9: KeyError: 'a'", "srun: error: node1: task 0: Killed"))
    said = next(fact for fact in facts if fact.words == "KeyError: 'a'")

    assert (said.place.node, said.place.step_id) == ("node3", "7.1")


def test_an_end_is_dated_by_sruns_word_and_not_by_the_question(slurm: LocalSlurm) -> None:
    step = tell(slurm, "srun: error: node1: task 3: Killed", code=137)
    told = replace(known("task-end", 0), at=time.time() - 30)

    assert end_of(step_facts(step, [told], Layer.ENGINE)).at == told.at


def test_what_the_leader_says_after_a_kill_is_no_cause_though_asked_about_late(
    slurm: LocalSlurm,
) -> None:
    step = tell(slurm, "srun: error: node1: task 3: Killed", code=137)
    killed_at = time.time() - 30
    told = replace(known("task-end", 0), at=killed_at)
    leader = [
        replace(known("cuda-fatal", 0, rank=0), at=killed_at + 1),
        replace(raised("RuntimeError: x", 0, rank=0), at=killed_at + 1.5),
    ]

    cause = first_cause(step_facts(step, [told, *leader], Layer.ENGINE))
    assert cause is not None
    assert cause.words == "rank 3 on node1: SIGKILL"


# ----------------------------------------------------------------------------------- a container


def refused_by(*ranks: int) -> list[str]:
    return [f"{rank}: {line}" for rank in ranks for line in REFUSED]


@pytest.mark.parametrize("launched", [LAUNCHED, LAUNCHED[:2], []], ids=["all", "two", "none"])
def test_a_container_that_one_node_refuses_is_that_nodes_matter(
    slurm: LocalSlurm, launched: list[str]
) -> None:
    lines = [*launched, *refused_by(8, 9), "srun: error: node3: tasks 8-9: Exited with exit code 1"]
    step = slurm.tell("agg-0", *lines, code=1, nodes=NODES)
    cause = first_cause(facts_of(step))

    assert cause is not None
    assert (cause.name, cause.place.node, cause.verdict_class) == ("pyxis", "node3", "INFRA")
    assert isinstance(step.death(), NodeUnfit)
    assert step.death().message.startswith("node3 alone refuses the container: agg-0 (step ")
    assert "No such file or directory: /srv/none.sqsh" in step.death().message
    assert "IMAGE and MOUNTS" in step.death().hint


def test_several_nodes_that_refuse_a_container_are_all_named(slurm: LocalSlurm) -> None:
    death = tell(slurm, *refused_by(0, 8)).death()

    assert isinstance(death, NodeUnfit)
    assert death.message.startswith("node[1,3] alone refuses")


@pytest.mark.parametrize(
    "ranks", [(0, 4, 8, 12), ()], ids=["by every node", "by nobody who is named"]
)
def test_a_container_that_all_refuse_is_a_matter_of_what_was_asked(
    slurm: LocalSlurm, ranks: tuple[int, ...]
) -> None:
    step = tell(slurm, *(refused_by(*ranks) or REFUSED))
    cause = first_cause(facts_of(step))

    assert cause is not None
    assert (cause.name, cause.verdict_class) == ("pyxis", "CONFIG")
    assert type(step.death()) is ContainerError
    assert step.death().verdict_class is VerdictClass.CONFIG


def test_a_step_of_one_node_cannot_tell_the_node_from_the_image(slurm: LocalSlurm) -> None:
    step = slurm.tell("agg-0", LAUNCHED[0], *refused_by(0), code=1, nodes=NODES[:1])

    assert type(step.death()) is ContainerError
