"""What a fault is: where and when it is provoked, and what must be said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from testbed.faults.bed import Bed, Undo

Inject = Callable[[Bed], Sequence[Undo]]
"""Provokes a fault; returns what takes it away again, in the order in which it was done."""


class Layer(str, Enum):
    """Where a fault is provoked."""

    SLURM = "slurm"
    NODE = "node"
    CONTAINER = "container"
    SERVICES = "services"
    ENGINE = "engine"
    NETWORK = "network"


class Moment(str, Enum):
    """When in the life of a run a fault is provoked."""

    BEFORE = "before"
    """Before there is an allocation."""
    ALLOCATED = "allocated"
    """The nodes are taken, and pytest has not begun."""
    SERVICES_UP = "services up"
    """etcd and NATS serve; no worker has been started."""
    LOADING = "loading"
    SERVING = "serving"
    STOPPING = "stopping"
    """The worker drains after SIGTERM."""


@dataclass(frozen=True)
class Said:
    """What a run must say: any of the classes, and of its first cause all patterns and places."""

    verdict: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    """Regular expressions, each found in the message of the first cause."""
    node: str = ""
    rank: int | None = None
    within_s: float | None = None
    """Longest time from the fault to its detection."""


ONE_NODE = {
    "NUM_NODES": "1",
    "ENGINE_CONFIG": "/mnt/engine_configs/deepseek_r1/simple/agg.yaml",
    "STOP_TIMEOUT_S": "15",
}
"""Settings of the smallest deployment: one worker of 4 ranks, with 15 s to stop."""


@dataclass(frozen=True)
class Run:
    """Which run shows the fault: words for the suite, its settings, options of ``run``."""

    tests: str = "(registration or TestStreaming) and not replicas"
    """For ``-k``."""
    mark: str = "agg"
    variables: Mapping[str, str] = field(default_factory=lambda: ONE_NODE)
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """One fault; ``numbers`` are those of the catalogue, none where it is not there."""

    name: str
    numbers: tuple[int, ...]
    sentence: str
    layer: Layer
    said: Said
    moment: Moment = Moment.BEFORE
    inject: Inject | None = None
    """None: the variables of the run are the fault."""
    prepare: Inject | None = None
    """Before the run: what the fault needs and is no fault, such as an engine config."""
    run: Run = field(default_factory=Run)
    lasts_s: float | None = None
    """Seconds after which it goes away by itself; None: it stays until it is cleared."""
    quick: bool = False
    """It takes a few seconds and is told on a busy machine too: ``make test`` has it."""


PASS, FAIL, LEAK = "PASS", "FAIL", "LEAK"
CONFIG, INFRA, INVALID = "CONFIG", "INFRA", "INVALID"
