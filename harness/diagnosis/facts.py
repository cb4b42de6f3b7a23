"""A fact: what was seen, when, by whose word, where, and on which layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from harness.compat import StrEnum


class Layer(StrEnum):
    """The layers of a deployment, the lowest first: each stands on those before it."""

    JOB = "job"
    NODE = "node"
    CONTAINER = "container"
    LAUNCH = "launch"
    SERVICES = "services"
    ENGINE = "engine"
    DISCOVERY = "discovery"
    SERVING = "serving"

    @property
    def height(self) -> int:
        """The place from below, 0 for the lowest."""
        return list(Layer).index(self)


GROUND = (Layer.JOB, Layer.NODE, Layer.CONTAINER, Layer.LAUNCH)
"""Layers that no product breaks: what is broken there explains all above, whenever it was seen.

Slurm takes minutes to call a node down whose ranks had their errors at once.
"""


class Source(StrEnum):
    """By whose word a fact is known."""

    SLURM = "slurm"
    LOG = "log"
    HTTP = "http"
    ETCD = "etcd"
    PROBE = "probe"
    SETTINGS = "settings"


class Weight(StrEnum):
    """What a fact can be in a diagnosis."""

    BREAK = "break"
    """A broken contract: it may be the first cause."""
    AFTERMATH = "aftermath"
    """What follows from a break elsewhere: a cause only where nothing else is."""
    DOUBT = "doubt"
    """An error line of unknown meaning, of a process that lives: healthy runs have some too."""


@dataclass(frozen=True)
class Place:
    """Where something was seen; what is empty is not known or does not apply."""

    step: str = ""
    step_id: str = ""
    node: str = ""
    rank: int | None = None
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        rank = "" if self.rank is None else f"rank {self.rank}"
        step = f"{self.step} (step {self.step_id})" if self.step_id else self.step
        return " of ".join(part for part in (_on(rank, self.node), step) if part)

    @property
    def log(self) -> str:
        """The log line, as ``path:12``."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Fact:
    """One thing that was seen. ``at`` is in seconds since the epoch; ``name`` is its signature's.

    ``verdict_class`` is whose problem it is where it is the cause.
    """

    at: float
    source: Source
    layer: Layer
    weight: Weight
    words: str
    place: Place = Place()
    name: str = ""
    verdict_class: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if str(self.place) else ""
        log = f" [{self.place.log}]" if self.place.log else ""
        return f"{clock(self.at)} {where}{self.words}{log}"

    def as_json(self) -> dict[str, Any]:
        """Return the fact as the run directory keeps it."""
        return asdict(self)


def fact_from(told: Mapping[str, Any]) -> Fact:
    """Return the fact that :meth:`Fact.as_json` gave."""
    return Fact(
        at=float(told["at"]),
        source=Source(told["source"]),
        layer=Layer(told["layer"]),
        weight=Weight(told["weight"]),
        words=str(told["words"]),
        place=Place(**told["place"]),
        name=str(told["name"]),
        verdict_class=str(told["verdict_class"]),
    )


def clock(at: float) -> str:
    """Return a moment as the logs write it: UTC, to the millisecond."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M:%S.%f")[:-3]


def _on(rank: str, node: str) -> str:
    return f"{rank} on {node}" if rank and node else rank or node
