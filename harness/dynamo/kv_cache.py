"""How many KV-cache blocks the workers of a deployment use: idle, under load, and after it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from harness.deadline import Deadline, wait_until
from harness.dynamo.canary import canary_request
from harness.dynamo.deployment import Deployment
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.topology import Role

T = TypeVar("T")
Levels = dict[str, int]
"""Blocks in use by the worker's name."""

STEADY_LOOKS = 3
"""Equal looks in a row after which a level counts as steady."""

SETTLE_S = 30.0
"""Seconds for blocks to be given back, and for the metrics to tell of it."""

LOOK_S = 0.1


class KvCache:
    """Reads the levels from the workers' metrics.

    TensorRT-LLM tells of its blocks after an iteration. So a level is always taken after a canary
    for every replica: what it shows is then the same moment of the same small request each time.
    """

    def __init__(self, deployment: Deployment, ask: Callable[[ChatRequest], Record]) -> None:
        self._deployment = deployment
        self._ask = ask

    def levels(self) -> Levels:
        """Return the blocks in use now, as the workers last told."""
        return {
            worker.name: self._deployment.metrics_of(worker).used_blocks()
            for worker in self._deployment.workers
        }

    def idle(self) -> Levels:
        """Return the levels after a canary for each replica, once they are steady."""
        self._touch()
        seen: list[Levels] = []

        def steady() -> bool:
            seen.append(self.levels())
            return len(seen) >= STEADY_LOOKS and all(
                each == seen[-1] for each in seen[-STEADY_LOOKS:]
            )

        wait_until(steady, Deadline.after(SETTLE_S), poll_s=LOOK_S)
        return seen[-1]

    def peak_under(self, work: Callable[[], list[T]], *, above: Levels) -> tuple[list[T], Levels]:
        """Do some work until it has raised a level; return all results, and the highest levels.

        A round of a fast engine can begin and end between two of the worker's own looks at its
        blocks. So the work is done again until a level stands above those given, for at most
        :data:`SETTLE_S` seconds.
        """
        peak, results = self.levels(), []
        deadline = Deadline.after(SETTLE_S)
        with ThreadPoolExecutor(max_workers=1) as pool:
            while True:
                running = pool.submit(work)
                peak = _highest(peak, self._peak_while(running))
                results += running.result()
                if sum(peak.values()) > sum(above.values()) or deadline.expired:
                    return results, peak

    def _peak_while(self, running: Future[list[T]]) -> Levels:
        """Return the highest level of each worker until some work has ended."""
        peak: Levels = {}

        def done() -> bool:
            nonlocal peak
            ended = running.done()
            peak = _highest(peak, self.levels())
            return ended

        wait_until(done, Deadline.after(SETTLE_S), poll_s=0.0)
        return peak

    def back_to(self, idle: Levels) -> Levels:
        """Wait until no worker uses more than when idle; return the last levels."""
        seen: list[Levels] = []

        def back() -> bool:
            self._touch()
            seen.append(self.levels())
            return all(level <= idle.get(name, 0) for name, level in seen[-1].items())

        wait_until(back, Deadline.after(SETTLE_S), poll_s=LOOK_S)
        return seen[-1]

    def _touch(self) -> None:
        """Have every replica answer a canary: round robin reaches each within twice as many."""
        replicas = max(len(self._deployment.workers_of(role)) for role in self._roles())
        request = canary_request(self._deployment.plan.context.settings.model_name)
        for _ in range(2 * replicas if replicas > 1 else 1):
            self._ask(request)

    def _roles(self) -> set[Role]:
        return {worker.placement.role for worker in self._deployment.workers}


def _highest(one: Levels, other: Levels) -> Levels:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in (*one, *other)}
