"""Pure: the first cause among facts. The lowest broken layer explains all, else the earliest fact.

A process that was killed is its own cause. One that ended with an exit code has mostly said why,
and so has, before it, the rank that it ended for: srun often names the leader first, which gave up
because of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.diagnosis.facts import GROUND, Fact, Source, Weight
from harness.diagnosis.listener import is_exception
from harness.diagnosis.signatures import (
    HANG,
    INSTANCE_GONE,
    RANK_ENDED,
    RANK_KILLED,
    SIGNATURES,
    STEP_ENDED,
)

ENDS = (RANK_KILLED, RANK_ENDED, STEP_ENDED)
FROM_OUTSIDE = (HANG, INSTANCE_GONE)
"""What shows only to who asks from outside."""

CLEARLY_EARLIER_S = 2.0
"""Of two facts this far apart, the order is known: srun tells of a dead task within a second."""

WORDS_BEFORE_END_S = 60.0
"""How long before its end a process may have said why: its way out takes some seconds."""


def first_cause(facts: Iterable[Fact], *, unready: bool = False) -> Fact | None:
    """Return the fact that explains the others, or ``None`` if none is a broken contract.

    ``unready`` says that a deployment ran out of time: an exception of a living rank counts then.
    """
    known = list(facts)
    breaks = _standing([fact for fact in known if fact.weight is Weight.BREAK])
    ground = [fact for fact in breaks if fact.layer in GROUND and _from_below(fact)]
    if ground:
        return min(ground, key=lambda fact: (fact.layer.height, *_by_time(fact)))
    doubts = [fact for fact in known if fact.weight is Weight.DOUBT]
    if found := _above(breaks, doubts):
        return found
    aftermath = [fact for fact in known if fact.weight is Weight.AFTERMATH and fact.verdict_class]
    exceptions = [fact for fact in doubts if is_exception(fact)] if unready else []
    return _earliest(exceptions) or (_earliest(aftermath) if unready else None)


def evidence(facts: Sequence[Fact], cause: Fact | None, *, most: int = 8) -> tuple[Fact, ...]:
    """Return the facts worth reading beside the cause, in time order, the first of each place."""
    seen: set[tuple[str, int | None, str]] = set()
    chosen: list[Fact] = []
    near = [fact for fact in facts if cause is None or fact.place.step == cause.place.step]
    for fact in sorted(near, key=_by_time) + sorted(facts, key=_by_time):
        key = (fact.place.step, fact.place.rank, fact.name)
        if fact is not cause and key not in seen:
            seen.add(key)
            chosen.append(fact)
    return tuple(sorted(chosen[:most], key=_by_time))


def _from_below(fact: Fact) -> bool:
    """Whether Slurm, Pyxis or a look at the node says it, and no rank: those mistake much."""
    row = SIGNATURES.rows.get(fact.name)
    return row is None or row.below or fact.source is not Source.LOG


def _standing(breaks: Sequence[Fact]) -> list[Fact]:
    """Leave out what another fact that was seen too explains."""
    names = {fact.name for fact in breaks}
    return [fact for fact in breaks if not SIGNATURES.yields_to(fact.name) & names]


def _above(breaks: Sequence[Fact], doubts: Sequence[Fact]) -> Fact | None:
    said = [fact for fact in breaks if fact.name not in ENDS]
    end = _earliest(fact for fact in breaks if fact.name in ENDS)
    if end is None:
        return _lowest_first(said)
    if end.name == RANK_KILLED:
        return _before_kill(end, said, doubts)
    return _earliest(_up_to(said, end)) or _own_words(end, doubts) or end


def _lowest_first(said: Sequence[Fact]) -> Fact | None:
    """Return the earliest; what shows only from outside comes after what a process has said."""
    inside = [fact for fact in said if fact.name not in FROM_OUTSIDE]
    return _earliest(inside) or _earliest(said)


def _before_kill(end: Fact, said: Sequence[Fact], doubts: Sequence[Fact]) -> Fact:
    lately = end.at - WORDS_BEFORE_END_S
    clearly = [fact for fact in said if lately < fact.at < end.at - CLEARLY_EARLIER_S]
    own = [
        fact
        for fact in (*said, *filter(is_exception, doubts))
        if _same_rank(fact, end) and end.at - WORDS_BEFORE_END_S < fact.at <= end.at
    ]
    return _earliest(clearly) or _earliest(own) or end


def _up_to(said: Sequence[Fact], end: Fact) -> list[Fact]:
    """Return what was said in the ended step, or elsewhere clearly before its end; lately at best.

    What a process got over long ago has not ended it.
    """
    known = [
        fact
        for fact in said
        if fact.place.step == end.place.step or fact.at < end.at - CLEARLY_EARLIER_S
    ]
    return [fact for fact in known if fact.at > end.at - WORDS_BEFORE_END_S] or known


def _own_words(end: Fact, doubts: Sequence[Fact]) -> Fact | None:
    """Return the first exception of the ended step, or else its first error line."""
    mine = [fact for fact in doubts if fact.place.step == end.place.step]
    lately = [fact for fact in mine if fact.at > end.at - WORDS_BEFORE_END_S] or mine
    return _earliest(filter(is_exception, lately)) or _earliest(lately)


def _same_rank(fact: Fact, other: Fact) -> bool:
    return (fact.place.step, fact.place.rank) == (other.place.step, other.place.rank)


def _earliest(facts: Iterable[Fact]) -> Fact | None:
    return min(facts, key=_by_time, default=None)


def _by_time(fact: Fact) -> tuple[float, int, str, int, str, str]:
    """Sort by time; what follows it lets facts of one moment have an order of their own."""
    place = fact.place
    rank = -1 if place.rank is None else place.rank
    return fact.at, place.line, place.step, rank, fact.name, fact.words
