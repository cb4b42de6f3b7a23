"""Ranks that do not finish loading after others have: looked at, for they may be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.diagnosis.facts import Fact
from harness.diagnosis.probe_facts import stopped_ranks
from harness.dynamo.pulses import Look
from harness.dynamo.worker import Worker
from harness.watching.pulse import Ask

PATIENCE_S = 3.0
"""Seconds after the last rank that finished before one look; each further look waits thrice as
long: a slow rank is no fault, and a look is a step on its node."""


@dataclass
class _Wait:
    """The waiting for the last ranks of one worker."""

    loaded: int
    since_s: float
    patience_s: float


def stopped_stragglers(live: Callable[[], Sequence[Worker]], look: Look) -> Ask:
    """Ask whether a rank that others wait for is stopped; a slow one is left alone."""
    waits: dict[str, _Wait] = {}

    def late(worker: Worker) -> bool:
        loaded, now = len(worker.progress.loaded), time.monotonic()
        wait = waits.get(worker.step.name)
        if not loaded or not worker.progress.missing:
            return False
        if wait is None or wait.loaded != loaded:
            waits[worker.step.name] = _Wait(loaded, now, PATIENCE_S)
            return False
        if now - wait.since_s < wait.patience_s:
            return False
        waits[worker.step.name] = _Wait(loaded, now, 3 * wait.patience_s)
        return True

    def ask() -> list[Fact]:
        return [fact for worker in live() if late(worker) for fact in _stopped(worker, look)]

    return ask


def _stopped(worker: Worker, look: Look) -> list[Fact]:
    placement, missing = worker.placement, worker.progress.missing
    places = sorted({rank // placement.gpus_per_node for rank in missing})
    snapshot = look([placement.nodes[place] for place in places])
    found = stopped_ranks(snapshot, {worker.step.number: worker.step.name})
    return [fact for fact in found if fact.place.rank in missing]
