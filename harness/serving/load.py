"""A steady stream of chat requests, for as long as a test does something to the deployment."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.http import Http
from harness.serving.judges import STALL_LIMIT_S
from harness.serving.load_facts import Answered, LoadFacts
from harness.serving.request import Request
from harness.serving.schedule import Schedule
from harness.serving.sending import send
from harness.serving.sink import RecordSink

if TYPE_CHECKING:
    from typing_extensions import Self

GRACE_S = 10.0
"""How much longer than its budget a request may take to be given up, on a busy head node."""


class SteadyLoad:
    """Sends ``rate_per_s`` requests a second on a fixed schedule, from entry until :meth:`stop`.

    The schedule is open: its moments do not wait for answers. But at most ``clients`` requests are
    in flight, and a moment at which none of the clients is free passes without a request: there is
    no burst afterwards, which would turn one slow answer into many. ``make_request`` is called with
    0, 1, 2..., by several threads. ``timeout_s`` bounds each request; ``sink`` gets every
    record. ``stall_limit_s`` is the longest silence within a stream.

    Nothing that the server does raises: it makes a fact. A fault of ours (``make_request`` raised,
    the sink's disk is full) ends the load, and :meth:`wait_for` and :meth:`stop` raise
    :class:`HarnessError`.
    """

    def __init__(
        self,
        client: Http,
        make_request: Callable[[int], Request],
        *,
        rate_per_s: float,
        clients: int,
        timeout_s: float,
        sink: RecordSink | None = None,
        stall_limit_s: float = STALL_LIMIT_S,
    ) -> None:
        if rate_per_s <= 0 or clients < 1:
            raise HarnessError(
                f"expected a rate above 0 and a client, seen {rate_per_s} per s and {clients}"
            )
        self.timeout_s = timeout_s
        self._client = client
        self._make_request = make_request
        self._sink = sink
        self._stall_limit_s = stall_limit_s
        self._schedule = Schedule(rate_per_s)
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._answered: list[Answered] = []
        self._fault: Exception | None = None
        self._running = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"load-{number}", daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        self._schedule.begin()
        self._running = len(self._threads)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.stop()
        else:  # what went wrong in the block comes first
            self._end()

    def stop(self) -> None:
        """Send nothing more and return when the requests in flight have ended; once or often."""
        waited_s = self._end()
        self._raise_fault()
        if self._running:
            raise HarnessError(
                f"expected every request to end within its {self.timeout_s:g} s; "
                f"seen {self._running} in flight {waited_s:.1f} s after the load was stopped"
            )

    def facts(self) -> LoadFacts:
        """Return what came of the requests that have ended so far."""
        with self._changed:
            answered = tuple(self._answered)
        return LoadFacts.of(answered, missed_slots=self._schedule.missed)

    def wait_for(self, condition: Callable[[LoadFacts], bool], deadline: Deadline) -> bool:
        """Return ``True`` as soon as ``condition`` holds, asked anew whenever a request has ended.

        ``False`` when the time is up, or when the load has ended and nothing more can change.
        """
        while True:
            facts = self.facts()
            if condition(facts):
                return True
            if deadline.expired or not self._may_change(facts.sent, deadline):
                return False

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._schedule.next_pause_s()):
                request = self._make_request(next(self._numbers))
                record = send(self._client, request, timeout_s=self.timeout_s, sink=self._sink)
                self._keep(Answered.of(record, stall_limit_s=self._stall_limit_s))
        except Exception as fault:  # noqa: BLE001 - a thread's end is seen by nobody: raised later
            self._fault = self._fault or fault
            self._stopping.set()
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _keep(self, answered: Answered) -> None:
        with self._changed:
            self._answered.append(answered)
            self._changed.notify_all()

    def _may_change(self, known: int, deadline: Deadline) -> bool:
        """Wait until more than ``known`` have ended or time is up; ``False`` if none ever will."""

        def is_news() -> bool:
            return len(self._answered) > known or self._running == 0 or self._fault is not None

        with self._changed:
            self._changed.wait_for(is_news, deadline.remaining_s)
            self._raise_fault()
            return len(self._answered) > known or self._running > 0

    def _end(self) -> float:
        self._stopping.set()
        deadline = Deadline.after(self.timeout_s + GRACE_S)
        for thread in self._threads:
            if thread.ident is not None:  # a load that never began has nothing to wait for
                thread.join(deadline.remaining_s)
        return deadline.elapsed_s

    def _raise_fault(self) -> None:
        if self._fault is not None:
            sent = len(self._answered)
            words = f"{type(self._fault).__name__}: {self._fault}"
            raise HarnessError(
                f"expected a steady load; it broke after {sent} requests: {words}"
            ) from self._fault
