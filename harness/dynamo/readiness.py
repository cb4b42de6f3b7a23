"""When a worker counts as ready: each fact in its order, the last one an answer with tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from harness.dynamo.canary import answered_tokens, answering_worker, canary_request
from harness.dynamo.discovery import Instance
from harness.dynamo.worker import Worker
from harness.errors import NotReady, ProductError
from harness.serving.record import Record
from harness.serving.request import ChatRequest

CANARY_LOOK_S = 0.2
"""Seconds that one look waits for the canary: an answer that comes at once costs no second look."""

AskCanary = Callable[[ChatRequest], Record]


@dataclass
class Readiness:
    """Looks at one fact after the other; ``waiting_for`` names the first that is still missing.

    ``new`` are the workers waited for, ``live`` is how many workers served before them.
    """

    new: Sequence[Worker]
    live: int
    model: str
    with_worker_id: bool
    instances: Callable[[], Sequence[Instance]]
    models: Callable[[], Sequence[str]]
    worker_of: Callable[[Instance], Worker | None]
    ask: AskCanary
    waiting_for: str = "steps"
    answered: set[int] = field(default_factory=set)
    under_way: Future[Record] | None = None
    asker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1))

    def look(self) -> bool:
        """Return whether every new worker serves."""
        try:
            return self._registered() and self._listed() and self._answers()
        except ProductError as error:
            self.waiting_for = f"an answer of the frontend or etcd ({error.message})"
            return False

    def _registered(self) -> bool:
        instances = self.instances()
        expected = self.live + len(self.new)
        for worker in self.new:
            mine = [each for each in instances if self.worker_of(each) is worker]
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
        wanted = {worker.instance.instance_id for worker in self.new if worker.instance}
        record = self._canary()
        if record is None:
            self.waiting_for = "the answer to the canary under way"
            return False
        if not answered_tokens(record):
            self.waiting_for = (
                f"a canary answer with tokens; the last: {record!r} {record.body[:200]!r}"
            )
            return False
        if not self.with_worker_id or (self.live == 0 and len(wanted) == 1):
            return True
        worker = answering_worker(record)
        if worker is not None:
            self.answered.add(worker)
        self.waiting_for = (
            f"a canary answer from each of {sorted(wanted)}; "
            f"answered so far: {sorted(self.answered)}"
        )
        return wanted <= self.answered

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
