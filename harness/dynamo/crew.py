"""The workers of a deployment: launched, counted by start, known by their leaders' addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.dynamo.discovery import Instance
from harness.dynamo.launch import LaunchContext, worker_step
from harness.dynamo.worker import Worker, owners
from harness.slurm.client import Slurm
from harness.slurm.srun import StepSpec
from harness.slurm.step import Step
from harness.topology import Role, WorkerPlacement


class Crew:
    """``live`` are the workers that have to live now, ``ever`` all that were launched."""

    def __init__(
        self,
        context: LaunchContext,
        slurm: Slurm,
        *,
        launch: Callable[[str, StepSpec], Step],
        component: Callable[[Role], str],
    ) -> None:
        self.live: list[Worker] = []
        self.ever: list[Worker] = []
        self._context = context
        self._slurm = slurm
        self._launch = launch
        self._component = component
        self._nodes: dict[str, str] = {}
        self._starts: Counter[str] = Counter()

    def add(self, planned: WorkerPlacement) -> Worker:
        """Launch a worker; a later start of the same replica has a label and logs of its own."""
        self._starts[planned.name] += 1
        placement = replace(planned, start=self._starts[planned.name])
        self._nodes[self._slurm.node_address(placement.leader_node)] = placement.leader_node
        step = self._launch(placement.label, worker_step(self._context, placement))
        worker = Worker(placement, step, eplb_prefix=self._context.eplb_prefix(placement))
        self.live.append(worker)
        self.ever.append(worker)
        return worker

    def of(self, role: Role) -> list[Worker]:
        """Return the live workers of a role."""
        return [worker for worker in self.live if worker.placement.role is role]

    def owners(self, instances: Sequence[Instance]) -> Mapping[str, Worker]:
        """Return the live worker behind each instance, by the instance's key."""
        return owners(self.live, instances, nodes=self._nodes, component=self._component)

    def is_foreign(self, instance: Instance) -> bool:
        """Whether an instance is served from where no worker of ours ever led."""
        return bool(instance.address) and instance.address not in self._nodes

    def address_of(self, worker: Worker) -> str:
        """Return the address of the node that a worker's leader runs on."""
        node = worker.placement.leader_node
        return next(address for address, name in self._nodes.items() if name == node)
