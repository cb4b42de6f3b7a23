"""What is asked of a living deployment again and again, each by a pulse of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.deadline import Deadline, wait_until
from harness.diagnosis.facts import Fact, Layer, Place, Source, Weight
from harness.diagnosis.probe_facts import silent_node, stopped_ranks
from harness.diagnosis.signatures import HANG, INSTANCE_GONE, SERVICE_SILENT, SIGNATURES
from harness.dynamo.canary import canary_request
from harness.dynamo.discovery import Discovery
from harness.dynamo.worker import Worker
from harness.errors import InfraError
from harness.exchange import EndpointUnreachable, Outcome
from harness.http import Http
from harness.nodes.snapshot import Snapshot
from harness.traffic import Traffic
from harness.watching.pulse import Ask

ASK_S = 4.0
"""Budget of one question to etcd or the frontend; milliseconds are usual."""

SILENT_S = 8.0
"""Seconds without an answer from etcd or the frontend that are an alarm: two questions."""

GONE_S = 2.0
"""Seconds for which an instance is missing before that is an alarm: no lease comes back."""

QUIET_S = 2.0
"""Seconds without bytes of any answer after which the canary asks itself."""

SUSPICIOUS_S = 1.5
"""Seconds for which the canary is not answered before the nodes are looked at."""

Live = Callable[[], Sequence[Worker]]
Look = Callable[[Sequence[str]], Snapshot]


@dataclass
class Suspicion:
    """What the canary waits for, and what a look at the nodes meanwhile has shown."""

    since_s: float | None = None
    """When the canary that is not answered was sent, on the monotonic clock."""
    looked_since_s: float | None = None
    """Which of them the last look was made for."""
    hung_since_s: float | None = None
    """Which of them was a hang."""
    seen: tuple[Fact, ...] = ()

    def seen_of_hang(self, deadline: Deadline) -> tuple[Fact, ...]:
        """Return what was seen while the hang went on; a look under way is waited for."""
        wait_until(lambda: self.looked_since_s == self.hung_since_s, deadline)
        return self.seen if self.looked_since_s == self.hung_since_s else ()


def service_answers(http: Http, path: str, where: Place, *, method: str = "GET") -> Ask:
    """Ask whether a service answers at all; any status is an answer."""

    def ask() -> list[Fact]:
        body = b"{}" if method == "POST" else None
        exchange = http.exchange(method, path, content=body, timeout_s=ASK_S)
        if exchange.outcome is Outcome.COMPLETE:
            return []
        words = f"{http.server} gives no answer at {exchange.url}: {exchange.error}"
        return [_fact(Source.HTTP, SERVICE_SILENT, words, place=where)]

    return ask


def all_registered(discovery: Discovery, live: Live) -> Ask:
    """Ask whether every worker that serves is registered still."""

    def ask() -> list[Fact]:
        serving = [worker for worker in live() if worker.proved and worker.instance]
        try:
            keys = {instance.key for instance in discovery.instances()}
        except EndpointUnreachable:  # another pulse is about that
            return []
        gone = [worker for worker in serving if worker.instance and worker.instance.key not in keys]
        return [_gone(worker) for worker in gone]

    return ask


def looked_at(suspicion: Suspicion, live: Live, look: Look) -> Ask:
    """Look at the nodes once while a canary is not answered: a stopped rank is why.

    That a node is silent is kept beside: a busy Slurm is slow too, and alone it proves nothing.
    """

    def ask() -> list[Fact]:
        since_s = suspicion.since_s
        if since_s is None or since_s == suspicion.looked_since_s:
            return []
        if time.monotonic() - since_s < SUSPICIOUS_S:
            return []
        workers = live()
        nodes = tuple(dict.fromkeys(node for each in workers for node in each.placement.nodes))
        try:
            snapshot = look(nodes)
        except InfraError as blind:
            suspicion.seen = tuple(silent_node(blind.message, nodes))
            stopped = []
        else:
            suspicion.seen = ()
            stopped = stopped_ranks(snapshot, {w.step.number: w.step.name for w in workers})
        suspicion.looked_since_s = since_s
        return stopped

    return ask


def requests_answered(
    http: Http, model: str, *, live: Live, traffic: Traffic, limit_s: float, suspicion: Suspicion
) -> Ask:
    """Ask for an answer where none came to anybody for a while; ``traffic`` is everybody's."""
    request = canary_request(model)
    content = request.content()

    def ask() -> list[Fact]:
        if time.monotonic() - traffic.last_arrival_s < QUIET_S:
            return []
        asked_s = suspicion.since_s = time.monotonic()
        exchange = http.exchange(
            "POST",
            request.path,
            content=content,
            headers={"content-type": "application/json"},
            timeout_s=limit_s,
        )
        suspicion.since_s = None
        if exchange.outcome is not Outcome.TIMEOUT or traffic.last_arrival_s > asked_s:
            return []
        suspicion.hung_since_s = asked_s
        return [_hang(live(), limit_s)]

    return ask


def _hang(workers: Sequence[Worker], limit_s: float) -> Fact:
    names = ", ".join(worker.name for worker in workers)
    words = f"no answer to a short request for {limit_s:g} s, nor a token to anybody; live: {names}"
    place = _place(workers[0]) if len(workers) == 1 else Place()
    return _fact(Source.HTTP, HANG, words, place=place)


def _gone(worker: Worker) -> Fact:
    key = worker.instance.key if worker.instance else ""
    words = f"the instance of {worker.name} is not registered any more, its step lives ({key})"
    return _fact(Source.ETCD, INSTANCE_GONE, words, place=_place(worker))


def _place(worker: Worker) -> Place:
    nodes = worker.placement.nodes
    node = nodes[0] if len(nodes) == 1 else ""
    return Place(worker.step.name, worker.step.number, node, file=str(worker.step.err))


def _fact(source: Source, name: str, words: str, *, place: Place) -> Fact:
    row = SIGNATURES.rows[name]
    layer: Layer = row.layer
    cls = str(row.verdict_class)
    return Fact(time.time(), source, layer, Weight.BREAK, words, place, name, cls)
