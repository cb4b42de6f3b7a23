"""Which worker of each role served which request: by the answers and by the workers' own counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.dynamo.deployment import Deployment
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.serving.workers import worker_ids
from harness.topology import Role

NOBODY = "nobody known"


@dataclass(frozen=True)
class Routes:
    """A batch of requests and who served them.

    ``named`` has for each role the worker that each answer names, in the requests' order; it is
    empty for a release that names none. ``taken`` has for each role how many requests its workers
    counted meanwhile, by worker; it is empty where workers tell no metrics.
    """

    records: tuple[Record, ...]
    named: Mapping[Role, tuple[str, ...]]
    taken: Mapping[Role, Mapping[str, int]]

    @property
    def proved(self) -> bool:
        """Whether anything tells who served: without it nothing is known."""
        return bool(self.named or self.taken)

    def strays(self, role: Role) -> list[str]:
        """Return in words what was not served by a known worker of a role."""
        found = [
            f"request {record.request_id}: the answer names {NOBODY} as {role} worker"
            for record, name in zip(self.records, self.named.get(role, ()), strict=False)
            if name == NOBODY
        ]
        if role in self.taken and sum(self.taken[role].values()) != len(self.records):
            found.append(
                f"the {role} workers counted {dict(self.taken[role]) or 'no requests'}, "
                f"expected {len(self.records)} requests together"
            )
        return found

    def serving(self, role: Role) -> set[str]:
        """Return the workers of a role that served at least one request."""
        counted = {name for name, taken in self.taken.get(role, {}).items() if taken > 0}
        return (set(self.named.get(role, ())) - {NOBODY}) | counted


def route(
    deployment: Deployment,
    requests: Sequence[ChatRequest],
    ask_together: Callable[[Sequence[ChatRequest]], list[Record]],
) -> Routes:
    """Send requests together, and find out who served each."""
    before = _counts(deployment)
    records = ask_together([request.naming_workers() for request in requests])
    after = _counts(deployment)
    taken = {
        role: {name: after[role][name] - before[role][name] for name in after[role]}
        for role in after
    }
    named = _named(deployment, records) if deployment.names_workers else {}
    return Routes(tuple(records), named, taken)


def _counts(deployment: Deployment) -> dict[Role, dict[str, int]]:
    if not deployment.plan.context.settings.dyn_system_port:
        return {}
    return {
        role: {
            worker.name: deployment.metrics_of(worker).requests()
            for worker in deployment.workers_of(role)
        }
        for role in (Role.PREFILL, Role.DECODE)
    }


def _named(deployment: Deployment, records: Sequence[Record]) -> dict[Role, tuple[str, ...]]:
    ids = [worker_ids(record) for record in records]
    said = {
        Role.PREFILL: [each.prefill for each in ids],
        Role.DECODE: [each.decode for each in ids],
    }
    return {
        role: tuple(_name(deployment, role, instance) for instance in instances)
        for role, instances in said.items()
    }


def _name(deployment: Deployment, role: Role, instance: int | None) -> str:
    for worker in deployment.workers_of(role):
        if worker.instance is not None and worker.instance.instance_id == instance:
            return worker.name
    return NOBODY
