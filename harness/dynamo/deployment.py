"""A deployment: a topology made real on its nodes, with a state.

``new -> serving -> stopped``, or ``failed`` from anywhere. Readiness comes from facts (steps alive,
exactly the expected instances, the model listed, one answer with tokens from every replica), never
from a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.compat import StrEnum
from harness.deadline import Deadline, wait_until
from harness.dynamo.discovery import Discovery, Instance, serving
from harness.dynamo.frontend import Frontend
from harness.dynamo.launch import frontend_step, worker_step
from harness.dynamo.plan import FRONTEND_BUDGET_S, DeploymentPlan
from harness.dynamo.readiness import AskCanary, Readiness, not_ready
from harness.dynamo.stop import StopReport, kill_steps, never_registered, stop_steps
from harness.dynamo.worker import Worker
from harness.errors import HarnessError, NotReady, ProductError, QualificationError
from harness.http import Http
from harness.logs import tail
from harness.releases import dynamo_release
from harness.rundir import RunDirectory
from harness.slurm.client import Slurm
from harness.slurm.srun import StepSpec
from harness.slurm.step import Step
from harness.topology import WorkerPlacement

SERVICES_STOP_SIGNAL = "USR1"
"""What start_frontend_services.sh stops its services for, in order; it says why it is not TERM."""

OnProgress = Callable[["Deployment"], None]


class State(StrEnum):
    """Where a deployment is in its life."""

    NEW = "new"
    SERVING = "serving"
    STOPPED = "stopped"
    FAILED = "failed"


class Deployment:
    """etcd, NATS and a frontend on the head node, and the workers of a placement."""

    def __init__(
        self,
        plan: DeploymentPlan,
        *,
        slurm: Slurm,
        directory: RunDirectory,
        ask: AskCanary,
        on_progress: OnProgress,
    ) -> None:
        self.plan = plan
        self.state = State.NEW
        self.workers: list[Worker] = []
        self.all_workers: list[Worker] = []
        self.all_steps: list[Step] = []
        self.instances_before_workers: tuple[Instance, ...] = ()
        self._slurm = slurm
        self._directory = directory
        self._ask = ask
        self._on_progress = on_progress
        self._frontend_step: Step | None = None
        settings = plan.context.settings
        self._release = dynamo_release(settings.dynamo_release)
        self._addresses: dict[str, str] = {}
        self.discovery = Discovery(Http(plan.context.etcd_url), self._release.instance_prefix)
        self.frontend = Frontend(Http(plan.context.frontend_url))

    @property
    def name(self) -> str:
        """The topology's name."""
        return self.plan.name

    @property
    def frontend_step(self) -> Step:
        """The step of etcd, NATS and the frontend."""
        if self._frontend_step is None:
            raise HarnessError(f"deployment {self.name} has not been started")
        return self._frontend_step

    @property
    def steps(self) -> list[Step]:
        """All steps of the deployment that were started and not taken away again."""
        frontend = [self._frontend_step] if self._frontend_step else []
        return [*frontend, *(worker.step for worker in self.workers)]

    def start(self) -> None:
        """Start the services, then the first workers; return when requests succeed."""
        try:
            self._start_services()
            self._add(self.plan.placement.initial)
        except BaseException:  # Ctrl-C while loading too must not leave steps behind
            self.abandon()
            raise
        self.state = State.SERVING

    def scale_to(self, replicas: int) -> list[StopReport]:
        """Start or stop workers so that ``replicas`` of them serve; return how those stopped.

        For a topology of one role. New replicas are waited for until each has answered.
        """
        wanted = self.plan.placement.workers[:replicas]
        have = {worker.name for worker in self.workers}
        self._add([each for each in wanted if each.name not in have])
        names = {each.name for each in wanted}
        return self.stop_workers([worker for worker in self.workers if worker.name not in names])

    def stop_workers(self, workers: Sequence[Worker]) -> list[StopReport]:
        """Stop workers in an orderly way, together; the others go on."""
        pairs = [(worker.step, lambda w=worker: self.is_registered(w)) for worker in workers]
        reports = stop_steps(self._slurm, pairs, budget_s=self.plan.context.settings.stop_timeout_s)
        self.workers = [worker for worker in self.workers if worker not in workers]
        for report in reports:
            self._directory.event(
                "worker stopped", {"deployment": self.name, "report": str(report)}
            )
        return reports

    def stop_services(self) -> StopReport:
        """Stop the frontend, NATS and etcd, in this order within their step."""
        budget_s = self.plan.context.settings.stop_timeout_s
        [report] = stop_steps(
            self._slurm,
            [(self.frontend_step, never_registered)],
            budget_s=budget_s,
            signal=SERVICES_STOP_SIGNAL,
        )
        self.state = State.STOPPED
        self._directory.event("services stopped", {"deployment": self.name, "report": str(report)})
        return report

    def stop(self) -> list[StopReport]:
        """Stop everything in order: workers, then the services."""
        return [*self.stop_workers(list(self.workers)), self.stop_services()]

    def abandon(self) -> None:
        """End all steps at once: for a deployment that has failed."""
        self.state = State.FAILED
        self._directory.event("abandoned", {"deployment": self.name})
        kill_steps(self._slurm, self.steps)

    def check_alive(self) -> None:
        """Raise the cause if a step or a rank has ended; the workers' before the frontend's."""
        for worker in self.workers:
            worker.observe()
            worker.step.check_alive()
        self.frontend_step.check_alive()

    def death(self, deadline: Deadline) -> QualificationError | None:
        """Wait a moment for Slurm to say that a step has died, and return the cause, or ``None``.

        A request fails sooner than srun reports the dead rank that made it fail.
        """
        found: list[QualificationError] = []

        def look() -> bool:
            try:
                self.check_alive()
            except QualificationError as error:
                found.append(error)
            return bool(found)

        wait_until(look, deadline)
        return found[0] if found else None

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that serve requests, by etcd."""
        return serving(self.discovery.instances(), self._release.serving_components)

    def is_registered(self, worker: Worker) -> bool:
        """Whether etcd still has the worker's instance."""
        if worker.instance is None:
            return False
        return worker.instance.key in {each.key for each in self.discovery.instances()}

    def worker_of(self, instance: Instance) -> Worker | None:
        """Return the worker whose leader serves an instance."""
        node = self._addresses.get(instance.address)
        return next((w for w in self.workers if w.placement.leader_node == node), None)

    def _start_services(self) -> None:
        context = self.plan.context
        self._directory.event("starting services", {"deployment": self.name})
        self._frontend_step = self._launch("frontend", frontend_step(context))
        deadline = Deadline.after(FRONTEND_BUDGET_S)
        up = wait_until(self._frontend_answers, deadline, watch=self._frontend_step.check_alive)
        if not up:
            raise NotReady(
                f"{self._frontend_step.where}: {context.frontend_url}/health did not answer after "
                f"{deadline.elapsed_s:.0f} s; last words: {tail(self._frontend_step.err, 3)!r}; "
                f"log: {self._frontend_step.err}"
            )
        self.instances_before_workers = self.discovery.instances()

    def _frontend_answers(self) -> bool:
        try:
            return bool(self.frontend.health())
        except ProductError:
            return False

    def _add(self, placements: Sequence[WorkerPlacement]) -> None:
        if not placements:
            return
        live = len(self.workers)
        new = [self._launch_worker(placement) for placement in placements]
        deadline = Deadline.after(self.plan.context.settings.start_timeout_s)
        readiness = Readiness(
            new=new,
            live=live,
            model=self.plan.context.settings.model_name,
            with_worker_id=self._release.reports_worker_id,
            instances=self.instances,
            models=self.frontend.models,
            worker_of=self.worker_of,
            ask=self._ask,
        )
        if not wait_until(readiness.look, deadline, watch=self._watch):
            raise not_ready(self.plan.context.frontend_url, readiness, deadline.elapsed_s)
        self._directory.event(
            "workers ready", {"deployment": self.name, "workers": [w.name for w in new]}
        )

    def _launch_worker(self, placement: WorkerPlacement) -> Worker:
        address = self._slurm.node_address(placement.leader_node)
        self._addresses[address] = placement.leader_node
        step = self._launch(placement.name, worker_step(self.plan.context, placement))
        worker = Worker(placement, step, eplb_prefix=self.plan.context.eplb_prefix(placement))
        self.workers.append(worker)
        self.all_workers.append(worker)
        return worker

    def _launch(self, part: str, spec: StepSpec) -> Step:
        folder = self._directory.logs(self.name)
        self._directory.event(
            "step", {"deployment": self.name, "name": spec.name, "nodes": spec.nodes}
        )
        step = self._slurm.start(
            spec, stdout=folder / f"{part}.out.log", stderr=folder / f"{part}.err.log"
        )
        self.all_steps.append(step)
        return step

    def _watch(self) -> None:
        progressed = [worker.observe() for worker in self.workers]
        if any(progressed):
            self._on_progress(self)
        self.check_alive()
