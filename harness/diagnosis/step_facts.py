"""How a step ended, and what its logs say, as facts with the node of each rank."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.diagnosis.signatures import (
    RANK_ENDED,
    RANK_KILLED,
    STEP_CANCELLED,
    STEP_ENDED,
    TASK_END,
)
from harness.errors import VerdictClass
from harness.slurm.step import Step
from harness.slurm.words import describe_ends

PYXIS = "pyxis"


def step_facts(step: Step, said: Sequence[Fact], layer: Layer) -> list[Fact]:
    """Return all that is known of a step: ``said`` by its logs, and its end if it has ended."""
    step.refresh()
    nodes = {rank: each.node for each in step.launched for rank in each.ranks}
    placed = [_of_its_node(_placed(fact, step, nodes), step) for fact in said]
    return [*placed, *_end(step, layer, at=_told_at(said))]


def _placed(fact: Fact, step: Step, nodes: Mapping[int, str]) -> Fact:
    rank = fact.place.rank
    place = replace(fact.place, step=step.name, step_id=step.step_id)
    if rank is not None and rank in nodes:
        place = replace(place, node=nodes[rank])
    elif len(step.spec.nodes) == 1:
        place = replace(place, node=step.spec.nodes[0])
    elif fact.name == PYXIS:  # of a task that srun has not announced yet
        place = replace(place, node=step.planned_node(rank))
    return replace(fact, place=place)


def _of_its_node(fact: Fact, step: Step) -> Fact:
    """Make what Pyxis refuses on some nodes alone a matter of those, not of what was asked."""
    if fact.name != PYXIS or not step.refusing_nodes:
        return fact
    return replace(fact, verdict_class=str(VerdictClass.INFRA))


def _told_at(said: Sequence[Fact]) -> float:
    """Return when srun told of the first task that ended, or else now."""
    return min((fact.at for fact in said if fact.name == TASK_END), default=time.time())


def _end(step: Step, layer: Layer, *, at: float) -> list[Fact]:
    if step.exit_code is None and not step.task_ends:
        return []
    death = step.death()
    ends = step.first_ends
    place = Place(step=step.name, step_id=step.step_id, file=str(step.err))
    if ends:
        end = ends[0]
        place = replace(place, node=end.node, rank=end.ranks[0] if len(end.ranks) == 1 else None)
        name = RANK_KILLED if end.signal else RANK_ENDED
        words = describe_ends(ends)
    elif step.cancelled:
        name, words, layer = STEP_CANCELLED, "the step was cancelled", Layer.LAUNCH
    else:
        name, words = STEP_ENDED, f"the step ended with exit code {step.exit_code}"
    if death.verdict_class is VerdictClass.INFRA:
        layer = Layer.LAUNCH
    cls = str(death.verdict_class)
    return [Fact(at, Source.SLURM, layer, Weight.BREAK, words, place, name, cls)]
