"""Scaling under a steady load: each move once, in order, with what clients saw meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.deadline import Deadline
from harness.dynamo.deployment import Deployment
from harness.dynamo.kill import KillReport
from harness.dynamo.moves import MOVES, Move, Way
from harness.dynamo.stop import StopReport
from harness.dynamo.worker import Worker
from harness.errors import HarnessError, NothingProved
from harness.measures import Measures
from harness.serving.load import SteadyLoad
from harness.serving.load_facts import LoadFacts
from harness.topology import Role

ANSWER_BUDGET_S = 60.0
"""Seconds within which the steady load meets every replica: round robin needs a few requests."""

LEASE_MARGIN_S = 5.0
"""Seconds past the lease by which etcd has expired it and the frontend has heard of it."""


@dataclass(frozen=True)
class Moved:
    """One move as it was made. Times are wall clock, in seconds since the epoch.

    ``facts`` are the load's at the end of the move, when every live replica had answered again;
    ``served`` are the replicas that answered after the move. ``idle_nodes`` carry no replica now.
    """

    move: Move
    started_s: float
    done_s: float
    stopped: tuple[StopReport, ...]
    killed: tuple[KillReport, ...]
    replicas: dict[Role, int]
    served: frozenset[str]
    expected: frozenset[str]
    idle_nodes: tuple[str, ...]
    facts: LoadFacts

    @property
    def during(self) -> LoadFacts:
        """The requests in flight at any moment of the move."""
        return LoadFacts.of(self.facts.during(self.started_s, self.done_s))


class Scaling:
    """The moves of one deployment under one steady load, which starts with the first move."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        start_load: Callable[[], SteadyLoad],
        measures: Measures,
        sweep: Callable[[Sequence[str]], object],
    ) -> None:
        self._deployment = deployment
        self._start_load = start_load
        self._sweep = sweep
        self._measures = measures
        self._load: SteadyLoad | None = None
        self._facts: LoadFacts | None = None
        self._done: list[Moved] = []

    def moved(self, place: int) -> Moved:
        """Return the move at a place of the topology's list, made now with those before it."""
        for move in MOVES[self._deployment.name][len(self._done) : place + 1]:
            self._done.append(self._make(move, self._running()))
        return self._done[place]

    def stop(self) -> LoadFacts:
        """End the load, once; return what came of all of it."""
        if self._load is not None:
            self._load.stop()
            self._facts, self._load = self._load.facts(), None
            calm = self.without_a_kill(self._facts)
            self._measures.add(
                "requests of the steady load apart from kills",
                calm.sent,
                "",
                where=self._deployment.name,
                note=f"{len(calm.failed)} failed; around kills "
                f"{self._facts.sent - calm.sent} more, of which "
                f"{len(self._facts.failed) - len(calm.failed)} failed",
            )
        return self._facts or LoadFacts(())

    def without_a_kill(self, facts: LoadFacts) -> LoadFacts:
        """Return the requests that were not in flight while a killed worker was still listed."""
        kills = [each for each in self._done if each.move.way is Way.KILL]
        around = {
            request.request_id
            for kill in kills
            for request in facts.during(kill.started_s, kill.done_s)
        }
        return LoadFacts.of(each for each in facts.answered if each.request_id not in around)

    def _running(self) -> SteadyLoad:
        if self._load is None:
            if self._facts is not None:
                raise HarnessError(f"the steady load of {self._deployment.name} has ended already")
            self._load = self._start_load()
            self._load.wait_for(lambda facts: facts.sent > 0, Deadline.after(ANSWER_BUDGET_S))
        return self._load

    def _make(self, move: Move, load: SteadyLoad) -> Moved:
        deployment, started_s = self._deployment, time.time()
        replicas = min(move.replicas, len(deployment.plan.placement.of(move.role)))
        stopped: list[StopReport] = []
        killed: list[KillReport] = []
        if move.way is Way.KILL:
            killed = [deployment.kill(w) for w in deployment.surplus(move.role, replicas)]
            # A killed rank cannot remove its own files: that is not asked of the product.
            self._sweep(_idle_nodes(deployment))
        else:
            before = set(deployment.workers)
            stopped = deployment.scale(move.role, replicas)
            self._measure_new([w for w in deployment.workers if w not in before])
        changed_s = time.time()
        served = self._served(load, changed_s)
        moved = Moved(
            move=move,
            started_s=started_s,
            done_s=changed_s,
            stopped=tuple(stopped),
            killed=tuple(killed),
            replicas={role: len(deployment.workers_of(role)) for role in Role},
            served=served,
            expected=frozenset(worker.name for worker in deployment.workers),
            idle_nodes=_idle_nodes(deployment),
            facts=load.facts(),
        )
        self._measure_lost(moved)
        return moved

    def _served(self, load: SteadyLoad, since_s: float) -> frozenset[str]:
        """Wait until every live replica has answered since a moment; return those that did."""
        if not self._deployment.names_workers:
            return self._counted(load)
        workers = list(self._deployment.workers)
        load.wait_for(
            lambda facts: _served_by(workers, facts, since_s) >= {w.name for w in workers},
            Deadline.after(ANSWER_BUDGET_S),
        )
        return _served_by(workers, load.facts(), since_s)

    def _counted(self, load: SteadyLoad) -> frozenset[str]:
        """Do the same by the workers' own counts, for a release whose answers name no worker."""
        deployment = self._deployment
        if not deployment.plan.context.settings.dyn_system_port:
            raise NothingProved(
                f"who serves in {deployment.name} cannot be known: answers of this release name no "
                "worker, and DYN_SYSTEM_PORT is 0"
            )
        metrics = {worker.name: deployment.metrics_of(worker) for worker in deployment.workers}
        before = {name: each.requests() for name, each in metrics.items()}

        def served() -> frozenset[str]:
            return frozenset(n for n, each in metrics.items() if each.requests() > before[n])

        load.wait_for(lambda _: served() == set(metrics), Deadline.after(ANSWER_BUDGET_S))
        return served()

    def _measure_new(self, new: list[Worker]) -> None:
        for worker in new:
            if worker.ready_after_load_s is not None:
                self._measures.add(
                    f"{worker.placement.label} served after its engine had loaded",
                    worker.ready_after_load_s,
                    "s",
                    where=self._deployment.name,
                )

    def _measure_lost(self, moved: Moved) -> None:
        lease_s = self._deployment.lease_ttl_s
        for killed in moved.killed:
            where = self._deployment.name
            self._measures.add(
                f"client-visible window after {killed.name} was killed",
                moved.facts.window_s(killed.at_s),
                "s",
                limit=lease_s + LEASE_MARGIN_S,
                where=where,
                note=f"lease {lease_s:g} s, {len(moved.during.failed)} requests failed",
            )
            if killed.noticed_s is not None:
                name = f"Slurm told of the death of {killed.name}"
                self._measures.add(name, killed.noticed_s, "s", where=where)


def _served_by(workers: list[Worker], facts: LoadFacts, since_s: float) -> frozenset[str]:
    prefill, decode = facts.answered_by_prefill(since_s), facts.answered_by_decode(since_s)
    ids = {Role.PREFILL: prefill, Role.DECODE: decode, Role.AGGREGATED: decode}
    return frozenset(
        worker.name
        for worker in workers
        if worker.instance and worker.instance.instance_id in ids[worker.placement.role]
    )


def _idle_nodes(deployment: Deployment) -> tuple[str, ...]:
    """Return the planned nodes that carry no replica."""
    busy = {node for worker in deployment.workers for node in worker.placement.nodes}
    return tuple(node for node in deployment.plan.placement.nodes if node not in busy)
