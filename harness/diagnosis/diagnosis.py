"""A diagnosis: cause, layer, class, evidence, what it is not, what to do next; and its error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.diagnosis.cause import ENDS, evidence, first_cause
from harness.diagnosis.facts import Fact, Layer, Place, clock
from harness.diagnosis.signatures import SIGNATURES
from harness.errors import NotReady, QualificationError, VerdictClass


@dataclass(frozen=True)
class Seen:
    """How the failure showed itself: the error that somebody ran into."""

    name: str
    verdict_class: VerdictClass
    message: str
    hint: str = ""
    unready: bool = False

    @classmethod
    def of(cls, error: BaseException) -> Seen:
        """Return an error as what was seen; an assertion is about the product."""
        if isinstance(error, QualificationError):
            unready = isinstance(error, NotReady)
            name = type(error).__name__
            return cls(name, error.verdict_class, error.message, error.hint, unready)
        return cls(type(error).__name__, VerdictClass.FAIL, str(error))


@dataclass(frozen=True)
class Diagnosis:
    """What broke first. ``first`` is the fact that explains the rest, ``others`` lie beside it."""

    seen: Seen
    verdict_class: VerdictClass
    layer: Layer
    cause: str
    first: Fact | None
    others: tuple[Fact, ...]
    isnt: str
    advice: str

    def __str__(self) -> str:
        lines = [f"layer: {self.layer}; first seen at {self._when}"]
        if self.first is not None:
            place = self.first.place
            kind = "first line" if place.line else "log"
            lines += [f"{kind}: {place.log}"] if place.log else []
            lines += [f"it showed as: {self.seen.message}"]
        lines += (
            ["evidence:", *(f"  {self._beside(fact)}" for fact in self.others)]
            if self.others
            else []
        )
        lines += [f"this is not {self.isnt}"] if self.isnt else []
        return "\n".join([self.cause, *lines])

    def _beside(self, fact: Fact) -> str:
        """Return a fact without what it shares with the first one: the step, the folder of logs."""
        mine, place = self.first.place if self.first else Place(), fact.place
        if place.step and place.step == mine.step:
            place = replace(place, step="", step_id="")
        if Path(place.file).parent == Path(mine.file).parent:
            place = replace(place, file=Path(place.file).name)
        return str(replace(fact, place=place))

    @property
    def _when(self) -> str:
        return f"{clock(self.first.at)} UTC" if self.first else "the moment of the failure"

    def as_json(self, facts: Sequence[Fact]) -> dict[str, Any]:
        """Return the diagnosis with all facts it was made from, to be made again."""
        return {
            "class": self.verdict_class,
            "layer": self.layer,
            "cause": self.cause,
            "advice": self.advice,
            "isnt": self.isnt,
            "seen": {
                "name": self.seen.name,
                "class": self.seen.verdict_class,
                "message": self.seen.message,
                "hint": self.seen.hint,
                "unready": self.seen.unready,
            },
            "facts": [fact.as_json() for fact in facts],
        }


def diagnose(facts: Sequence[Fact], seen: Seen) -> Diagnosis | None:
    """Return what broke first; ``None`` when no fact explains what was seen better than itself."""
    first = first_cause(facts, unready=seen.unready)
    if first is None:
        return None
    row = SIGNATURES.rows.get(first.name)
    return Diagnosis(
        seen=seen,
        verdict_class=VerdictClass(first.verdict_class or seen.verdict_class),
        layer=first.layer,
        cause=_sentence(first),
        first=first,
        others=evidence(facts, first),
        isnt=row.isnt if row else "",
        advice=(row.advice if row else "") or seen.hint,
    )


def _sentence(first: Fact) -> str:
    """Return the cause in words: where, what, and what it means where a log said it."""
    row, place = SIGNATURES.rows.get(first.name), first.place
    if first.name in ENDS:  # its words name node and rank
        place = replace(place, node="", rank=None)
    named = place.node in first.words.split(" ")[:1] and not place.step
    where = f"{place}: " if str(place) and not named else ""
    means = f" - {row.means}" if row and row.pattern else ""
    return f"{where}{first.words}{means}"


class Diagnosed(QualificationError):
    """A failure whose first cause was found; ``str()`` begins with how it showed, and its class.

    ``cause_id`` names it where other tests did not run because of it.
    """

    def __init__(self, diagnosis: Diagnosis, cause_id: str) -> None:
        super().__init__(str(diagnosis), hint=diagnosis.advice)
        self.diagnosis = diagnosis
        self.cause_id = cause_id
        self.verdict_class = diagnosis.verdict_class

    def __str__(self) -> str:
        text = f"{self.diagnosis.seen.name} [{self.verdict_class}]: {self.message}"
        hint = f"\nnext: {self.hint}" if self.hint else ""
        return f"{text}{hint}\ncause id: {self.cause_id}"


def seen_from(told: Mapping[str, Any]) -> Seen:
    """Return what :meth:`Diagnosis.as_json` kept of what was seen."""
    return Seen(
        str(told["name"]),
        VerdictClass(told["class"]),
        str(told["message"]),
        str(told["hint"]),
        bool(told["unready"]),
    )
