"""A role loses its only worker and gets a new one, under a steady load."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.deadline import Deadline
from harness.dynamo.canary import canary_request
from harness.dynamo.deployment import Deployment
from harness.dynamo.kill import KillReport
from harness.serving.load import SteadyLoad
from harness.serving.load_facts import Answered, LoadFacts
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.topology import Role

WAIT_S = 60.0
"""Seconds for the load to meet what is waited for: a few requests are enough."""

STEADY = 10
"""Requests that are looked at before and after: enough for every way through the deployment."""


@dataclass(frozen=True)
class Outage:
    """What clients saw. Times are wall clock, in seconds since the epoch.

    ``killed_s``: from here on the role has no worker; ``back_s``: the new worker serves;
    ``refused`` is one request from between, ``clear_status`` the release's own refusal.
    """

    killed: KillReport
    back_s: float
    starts_s: float
    refused: Record
    clear_status: int
    facts: LoadFacts

    @property
    def unclear_s(self) -> float:
        """Seconds after the kill until the last failure that was not a clear refusal."""
        unclear = [each for each in self._failed_between if each.status != self.clear_status]
        return max((each.ended_at_s - self.killed.at_s for each in unclear), default=0.0)

    @property
    def answered_without_prefill(self) -> list[Answered]:
        """Good answers to requests that began when Slurm had told of the death."""
        since_s = self.killed.at_s + (self.killed.noticed_s or 0.0)
        return [
            each
            for each in self.facts.answered
            if each.ok and since_s < each.started_at_s and each.ended_at_s < self.starts_s
        ]

    @property
    def answered_after(self) -> int:
        """How many requests were answered after the new worker had come."""
        return sum(each.ok and each.started_at_s >= self.back_s for each in self.facts.answered)

    @property
    def failed_after(self) -> list[Answered]:
        """The requests that failed all the same."""
        return self.facts.failures_after(self.back_s)

    @property
    def words(self) -> str:
        """What a person needs to know of the failed requests."""
        return f"{self.killed}; {self.facts.describe_failures()}"

    @property
    def _failed_between(self) -> list[Answered]:
        failed = self.facts.failures_after(self.killed.at_s)
        return [each for each in failed if each.started_at_s < self.back_s]


def lose_the_only_worker(
    deployment: Deployment,
    role: Role,
    *,
    start_load: Callable[[], SteadyLoad],
    ask: Callable[[ChatRequest], Record],
    sweep: Callable[[Sequence[str]], object],
) -> Outage:
    """Kill the only worker of a role, see its absence, start a new one on the same nodes.

    ``sweep`` removes what the killed ranks could not remove themselves.
    """
    [worker] = deployment.workers_of(role)
    [other] = {each.placement.role for each in deployment.workers} - {role}
    clear = deployment.status_alone(other)
    load = start_load()
    try:
        load.wait_for(lambda facts: facts.sent >= STEADY, Deadline.after(WAIT_S))
        killed = deployment.kill(worker)
        gone_s = time.time()
        load.wait_for(
            lambda facts: any(
                each.status == clear and each.started_at_s > gone_s for each in facts.answered
            ),
            Deadline.after(WAIT_S),
        )
        sweep(worker.placement.nodes)
        refused = ask(canary_request(deployment.plan.context.settings.model_name))
        starts_s = time.time()
        deployment.scale(role, 1)
        back_s = time.time()
        load.wait_for(
            lambda facts: sum(each.started_at_s > back_s for each in facts.answered) >= STEADY,
            Deadline.after(WAIT_S),
        )
    finally:
        load.stop()
    return Outage(killed, back_s, starts_s, refused, clear, load.facts())
