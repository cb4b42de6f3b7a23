"""What is done to a deployment on purpose: scaled, robbed of a worker, its frontend restarted.

Each is made once at first demand, and looked at by many tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.dynamo.deployment import Deployment
from harness.dynamo.outage import Outage, lose_the_only_worker
from harness.dynamo.scaling import LEASE_MARGIN_S, Scaling
from harness.measures import Measures
from harness.once import Once
from harness.serving.load import SteadyLoad
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.topology import Role


class Disruptions:
    """The disruptions of one run, by the name of the topology."""

    def __init__(
        self,
        deployment: Callable[[str], Deployment],
        *,
        start_load: Callable[[], SteadyLoad],
        ask: Callable[[ChatRequest], Record],
        measures: Measures,
        sweep: Callable[[Sequence[str]], object],
    ) -> None:
        self._deployment = deployment
        self._start_load = start_load
        self._ask = ask
        self._measures = measures
        self._sweep = sweep
        self._scalings: dict[str, Scaling] = {}
        self._outages: dict[str, Once[Outage]] = {}
        self._restarts: dict[str, Once[float]] = {}

    def scaling(self, name: str) -> Scaling:
        """Return the moves of a topology's deployment, under a steady load of its own."""
        if name not in self._scalings:
            self._scalings[name] = Scaling(
                self._deployment(name),
                start_load=self._start_load,
                measures=self._measures,
                sweep=self._sweep,
            )
        return self._scalings[name]

    def outage(self, name: str) -> Outage:
        """Return how a deployment lost its only prefill worker and got a new one."""
        if name not in self._outages:
            self._outages[name] = Once(f"the outage of {name}", lambda: self._lose(name))
        return self._outages[name].get()

    def restarted_s(self, name: str) -> float:
        """Return the seconds that a deployment's restarted frontend took to serve."""
        if name not in self._restarts:
            title = f"the restarted frontend of {name}"
            self._restarts[name] = Once(title, lambda: self._restart(name))
        return self._restarts[name].get()

    def end_load(self, name: str) -> None:
        """End the steady load on a deployment, if there is one."""
        if name in self._scalings:
            self._scalings[name].stop()

    def end_loads(self) -> None:
        """End every steady load."""
        for name in self._scalings:
            self.end_load(name)

    def _lose(self, name: str) -> Outage:
        deployment = self._deployment(name)
        outage = lose_the_only_worker(
            deployment,
            Role.PREFILL,
            start_load=self._start_load,
            ask=self._ask,
            sweep=self._sweep,
        )
        lease_s = deployment.lease_ttl_s
        self._measures.add(
            f"client-visible window after {outage.killed.name}, the only one, was killed",
            outage.unclear_s,
            "s",
            limit=lease_s + LEASE_MARGIN_S,
            where=name,
            note=f"lease {lease_s:g} s; after that {outage.clear_status}",
        )
        return outage

    def _restart(self, name: str) -> float:
        seconds = self._deployment(name).restart_frontend()
        self._measures.add("restarted frontend lists the model again", seconds, "s", where=name)
        return seconds
