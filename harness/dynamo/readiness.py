"""When a worker counts as ready: each fact in its order, the last one an answer with tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from harness.dynamo.canary import answered_tokens, canary_request
from harness.dynamo.discovery import Instance
from harness.dynamo.worker import Worker
from harness.errors import NameTaken, NotReady, ProductError
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.serving.workers import WorkerIds, worker_ids
from harness.topology import Role

CANARY_LOOK_S = 0.2
"""Seconds that one look waits for the canary: an answer that comes at once costs no second look."""

AskCanary = Callable[[ChatRequest], Record]


@dataclass
class Readiness:
    """Looks at one fact after the other; ``waiting_for`` names the first that is still missing.

    ``new`` are the workers waited for, ``live`` is how many workers served before them.
    ``unproved`` are those that have to be seen serving, ``new`` unless said. Without ``servable`` a
    role is still missing: then to be registered is all that can be waited for. ``foreign`` tells
    whether an instance belongs to somebody else's deployment.
    """

    new: Sequence[Worker]
    live: int
    model: str
    with_worker_id: bool
    instances: Callable[[], Sequence[Instance]]
    models: Callable[[], Sequence[str]]
    owners: Callable[[Sequence[Instance]], Mapping[str, Worker]]
    ask: AskCanary
    unproved: Sequence[Worker] = ()
    servable: bool = True
    foreign: Callable[[Instance], bool] = lambda _: False
    waiting_for: str = "steps"
    seen: dict[Role, set[int]] = field(default_factory=lambda: {role: set() for role in Role})
    last_answer: str = ""
    under_way: Future[Record] | None = None
    asker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1))

    def look(self) -> bool:
        """Return whether every new worker serves; raise :class:`NameTaken` for a foreign one."""
        try:
            if not self._registered():
                return False
            return not self.servable or (self._listed() and self._answers())
        except ProductError as error:
            self.waiting_for = f"an answer of the frontend or etcd ({error.message})"
            return False

    def _registered(self) -> bool:
        instances = self.instances()
        refuse_foreign([each for each in instances if self.foreign(each)])
        expected = self.live + len(self.new)
        owners = self.owners(instances)
        for worker in self.new:
            mine = [each for each in instances if owners.get(each.key) is worker]
            worker.instance = mine[0] if len(mine) == 1 else None
        missing = [worker.name for worker in self.new if worker.instance is None]
        self.waiting_for = (
            f"the instance of {', '.join(missing)} "
            f"({len(instances)} registered, {expected} expected)"
        )
        return not missing and len(instances) == expected

    def _listed(self) -> bool:
        models = list(self.models())
        self.waiting_for = f"model {self.model} in /v1/models, which lists {models}"
        return self.model in models

    def _answers(self) -> bool:
        record = self._canary()
        if record is None:
            self.waiting_for = f"the answer to the canary under way{self.last_answer}"
            return False
        if not answered_tokens(record):
            self.last_answer = f"; the last: {record!r} {record.body[:200]!r}"
            self.waiting_for = f"a canary answer with tokens{self.last_answer}"
            return False
        wanted = list(self.unproved or self.new)
        roles = [worker.placement.role for worker in wanted]
        alone = self.live + len(self.new) == len(wanted) == len(set(roles))
        if alone or not self.with_worker_id:
            return True
        self._note(worker_ids(record))
        unseen = [worker.name for worker in wanted if not self._seen(worker)]
        answered = {role.value: sorted(self.seen[role]) for role in dict.fromkeys(roles)}
        self.waiting_for = f"a canary answer from {', '.join(unseen)}; answered so far: {answered}"
        return not unseen

    def _note(self, ids: WorkerIds) -> None:
        """Take in who answered: an aggregated worker is named as both."""
        if ids.prefill is not None:
            self.seen[Role.PREFILL].add(ids.prefill)
        if ids.decode is not None:
            self.seen[Role.DECODE].add(ids.decode)
            self.seen[Role.AGGREGATED].add(ids.decode)

    def _seen(self, worker: Worker) -> bool:
        found = worker.instance
        return found is not None and found.instance_id in self.seen[worker.placement.role]

    def _canary(self) -> Record | None:
        """Return the canary's record, or ``None`` while it is under way.

        It is asked from a thread: whoever waits must be able to see a rank die meanwhile.
        """
        if self.under_way is None:
            self.under_way = self.asker.submit(self.ask, canary_request(self.model))
        done, _ = wait([self.under_way], timeout=CANARY_LOOK_S)
        if not done:
            return None
        record, self.under_way = self.under_way.result(), None
        return record


def refuse_foreign(instances: Sequence[Instance]) -> None:
    """Raise :class:`~harness.errors.NameTaken` if there is an instance of another deployment."""
    if not instances:
        return
    shown = "; ".join(
        f"{each.namespace}/{each.component} instance {each.instance_id} at {each.address or '?'}"
        for each in instances
    )
    raise NameTaken(
        f"a worker of another deployment is registered in this deployment's etcd: {shown}",
        hint="end that worker: its ETCD_ENDPOINTS leads here, and requests would go to it too",
    )


def not_ready(url: str, readiness: Readiness, after_s: float) -> NotReady:
    """Return the error of a deployment out of time: what is missing, how far each rank came."""
    workers = "; ".join(
        f"{worker.step.where}: {worker.progress.summary()}; log: {worker.step.err}"
        for worker in readiness.new
    )
    return NotReady(
        f"not ready at {url} after {after_s:.0f} s, "
        f"still waiting for {readiness.waiting_for}; {workers}",
        hint="a rank that did not load says why in its log; search it for the rank's number",
    )
