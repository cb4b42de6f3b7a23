"""A deployment: a topology made real on its nodes, with a state.

``new -> serving -> stopped``, or ``failed`` from anywhere. Readiness comes from facts (steps alive,
exactly the expected instances, the model listed, one answer with tokens from every replica), never
from a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.compat import StrEnum
from harness.deadline import Deadline, wait_until
from harness.diagnosis.facts import Fact, Layer
from harness.dynamo.canary import canary_request
from harness.dynamo.crew import Crew
from harness.dynamo.discovery import Discovery, Instance
from harness.dynamo.frontend import Frontend
from harness.dynamo.kill import KillReport, kill_worker
from harness.dynamo.lookout import Lookout
from harness.dynamo.metrics import WorkerMetrics
from harness.dynamo.plan import DeploymentPlan
from harness.dynamo.pulses import Look
from harness.dynamo.readiness import AskCanary, Readiness, not_ready
from harness.dynamo.services import STOP_SIGNAL, Services
from harness.dynamo.stop import StopReport, kill_steps, never_registered, stop_steps
from harness.dynamo.worker import Worker
from harness.errors import HarnessError, QualificationError
from harness.http import Http
from harness.releases import dynamo_release
from harness.rundir import RunDirectory
from harness.serving.record import Record
from harness.slurm.client import Slurm
from harness.slurm.srun import StepSpec
from harness.slurm.step import Step
from harness.topology import Role, WorkerPlacement

OnProgress = Callable[["Deployment"], None]
Explain = Callable[[QualificationError, "Deployment"], QualificationError]


class State(StrEnum):
    """Where a deployment is in its life."""

    NEW = "new"
    SERVING = "serving"
    STOPPED = "stopped"
    FAILED = "failed"


INTERIM_S = 15.0
"""Seconds for the frontend to hear of a role that etcd has: milliseconds are usual."""


@dataclass(frozen=True)
class Interim:
    """What a deployment is while a role is still missing: what is listed, what requests get.

    ``records`` are those asked until one got the refusal that the release gives then, or time was
    up; the last one counts.
    """

    roles: tuple[Role, ...]
    models: tuple[str, ...]
    records: tuple[Record, ...]


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
        explain: Explain,
        look: Look,
    ) -> None:
        """``explain`` finds the first cause of a failed start, while all is still there.

        ``look`` has the processes of nodes looked at.
        """
        self.plan = plan
        self.state = State.NEW
        self.all_steps: list[Step] = []
        self.instances_before_workers: tuple[Instance, ...] = ()
        self.interims: list[Interim] = []
        self.ready_after_s = 0.0
        """Seconds from the first step to the first answer; 0 until then."""
        self._slurm = slurm
        self._directory = directory
        self._ask = ask
        self._on_progress = on_progress
        self._explain = explain
        self._services: Services | None = None
        self._release = dynamo_release(plan.context.settings.dynamo_release)
        self._crew = Crew(plan.context, slurm, launch=self._launch, component=self.component)
        self.lookout = Lookout(
            plan.context,
            slurm,
            nodes=plan.placement.nodes,
            live=lambda: tuple(self.workers),
            look=look,
            on_alarm=self._alarmed,
            on_broken=lambda words: directory.event("watch broken", {"what": words}),
        )

    @property
    def name(self) -> str:
        """The topology's name."""
        return self.plan.name

    @property
    def workers(self) -> list[Worker]:
        """The workers that have to live now."""
        return self._crew.live

    @property
    def all_workers(self) -> list[Worker]:
        """All workers that were ever launched."""
        return self._crew.ever

    @property
    def services(self) -> Services:
        """etcd, NATS and the frontend."""
        if self._services is None:
            raise HarnessError(f"deployment {self.name} has not been started")
        return self._services

    @property
    def frontend(self) -> Frontend:
        """The frontend's read-only surface."""
        return self.services.frontend

    @property
    def discovery(self) -> Discovery:
        """What is registered in etcd."""
        return self.services.discovery

    @property
    def frontend_step(self) -> Step:
        """The step of etcd, NATS and the frontend."""
        return self.services.step

    @property
    def steps(self) -> list[Step]:
        """All steps of the deployment that were started and not taken away again."""
        frontend = [self._services.step] if self._services else []
        return [*frontend, *(worker.step for worker in self.workers)]

    @property
    def lease_ttl_s(self) -> float:
        """Seconds for which a dead worker's instance stays in discovery."""
        told = self.plan.context.settings.environment.get("ETCD_LEASE_TTL")
        return float(told) if told else self._release.lease_ttl_s

    @property
    def names_workers(self) -> bool:
        """Whether an answer can name the workers that served it, in this release."""
        return self._release.reports_worker_id

    def status_alone(self, role: Role) -> int:
        """Return the HTTP status of a request while only workers of this role are there."""
        return self._release.alone_status[role]

    def workers_of(self, role: Role) -> list[Worker]:
        """Return the live workers of a role."""
        return self._crew.of(role)

    def component(self, role: Role) -> str:
        """Return the component under which workers of a role register."""
        return self._release.component(role, self.plan.context.settings.disaggregation_strategy)

    def start(self) -> None:
        """Start the services, then the first workers; return when requests succeed."""
        begun = Deadline.after(self.plan.budget_s)
        try:
            self._start_services()
            groups = self.plan.placement.initial
            for group in groups:
                self._add(group)
                if group is not groups[-1]:
                    self._look_at_interim()
        except QualificationError as error:
            explained = self._explain(error, self)
            self.abandon()
            raise explained from error
        except BaseException:  # Ctrl-C while loading too must not leave steps behind
            self.abandon()
            raise
        self.ready_after_s = begun.elapsed_s
        self.state = State.SERVING
        self.lookout.serving()

    def scale(self, role: Role, replicas: int) -> list[StopReport]:
        """Start or stop workers of a role so that ``replicas`` serve; return how those stopped.

        New replicas are waited for until each has answered.
        """
        wanted = self.plan.placement.of(role)[:replicas]
        have = {worker.name for worker in self.workers}
        with self.lookout.resting():
            self._add([each for each in wanted if each.name not in have])
        return self.stop_workers(self.surplus(role, replicas))

    def surplus(self, role: Role, replicas: int) -> list[Worker]:
        """Return the workers that have to go for ``replicas`` of a role to be left."""
        kept = {each.name for each in self.plan.placement.of(role)[:replicas]}
        return [worker for worker in self.workers_of(role) if worker.name not in kept]

    def kill(self, worker: Worker) -> KillReport:
        """Kill all ranks of a worker, and wait until its instance is gone; the others go on."""
        budget_s = self.lease_ttl_s + self.plan.context.settings.stop_budget_s
        with self.lookout.resting():
            self.workers.remove(worker)
            report = kill_worker(
                self._slurm,
                worker,
                registered=lambda: self.is_registered(worker),
                budget_s=budget_s,
            )
        self._directory.event("worker killed", {"deployment": self.name, "report": str(report)})
        return report

    def restart_frontend(self) -> float:
        """Restart the frontend under live workers; return the seconds until it lists the model."""
        model = self.plan.context.settings.model_name
        with self.lookout.resting():
            seconds = self.services.restart_frontend(
                self._slurm, lambda: model in self.frontend.models()
            )
        self._directory.event("frontend restarted", {"deployment": self.name, "seconds": seconds})
        return seconds

    def stop_workers(self, workers: Sequence[Worker]) -> list[StopReport]:
        """Stop workers in an orderly way, together; the others go on."""
        pairs = [(worker.step, lambda w=worker: self.is_registered(w)) for worker in workers]
        budget_s = self.plan.context.settings.stop_budget_s
        with self.lookout.resting():
            reports = stop_steps(self._slurm, pairs, budget_s=budget_s)
            self._crew.live = [worker for worker in self.workers if worker not in workers]
        for report in reports:
            self._directory.event(
                "worker stopped", {"deployment": self.name, "report": str(report)}
            )
        return reports

    def stop_services(self) -> StopReport:
        """Stop the frontend, NATS and etcd, in this order within their step."""
        self.lookout.stop()
        budget_s = self.plan.context.settings.stop_budget_s
        [report] = stop_steps(
            self._slurm,
            [(self.frontend_step, never_registered)],
            budget_s=budget_s,
            signal=STOP_SIGNAL,
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
        self.lookout.stop()
        self._keep_load()
        self._directory.event("abandoned", {"deployment": self.name})
        kill_steps(self._slurm, self.steps)

    def check_alive(self) -> None:
        """Raise what is wrong: a step or a rank that has ended, or what the watch has found."""
        for worker in self.workers:
            worker.observe()
            worker.step.check_alive()
        self.frontend_step.check_alive()
        self.lookout.check()

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
        """Return the instances that serve requests, of any role, by etcd."""
        shapes = self.plan.placement.topology.roles
        components = {self.component(shape.role) for shape in shapes}
        return tuple(each for each in self.discovery.instances() if each.component in components)

    def is_registered(self, worker: Worker) -> bool:
        """Whether etcd still has the worker's instance."""
        if worker.instance is None:
            return False
        return worker.instance.key in {each.key for each in self.discovery.instances()}

    def worker_of(self, instance: Instance) -> Worker | None:
        """Return the worker whose leader serves an instance."""
        return self._crew.owners([instance]).get(instance.key)

    def metrics_of(self, worker: Worker) -> WorkerMetrics:
        """Return what a worker tells of itself; DYN_SYSTEM_PORT must not be 0."""
        port = self.plan.context.settings.dyn_system_port
        return WorkerMetrics(Http(f"http://{self._crew.address_of(worker)}:{port}"))

    def _start_services(self) -> None:
        context = self.plan.context
        self._directory.event("starting services", {"deployment": self.name})
        step = self._launch("frontend", self.plan.frontend_step)
        prefix = self._release.instance_prefix
        self._services = Services(context, step, instance_prefix=prefix)
        self.lookout.begin()
        self.instances_before_workers = self._services.wait_up()
        self.lookout.services_up(self._services, prefix)

    def _look_at_interim(self) -> None:
        """Note what the deployment is while the roles that come next are missing."""
        roles = tuple(dict.fromkeys(worker.placement.role for worker in self.workers))
        expected = self.status_alone(roles[0])
        request = canary_request(self.plan.context.settings.model_name)
        records: list[Record] = []

        def refused() -> bool:
            records.append(self._ask(request))
            return records[-1].status == expected

        wait_until(refused, Deadline.after(INTERIM_S), watch=self.check_alive)
        self.interims.append(Interim(roles, self.frontend.models(), tuple(records)))

    def _add(self, placements: Sequence[WorkerPlacement]) -> None:
        if not placements:
            return
        live = len(self.workers)
        new = [self._crew.add(placement) for placement in placements]
        roles = {worker.placement.role for worker in self.workers}
        readiness = Readiness(
            new=new,
            live=live,
            model=self.plan.context.settings.model_name,
            with_worker_id=self.names_workers,
            instances=self.instances,
            models=self.frontend.models,
            owners=self._crew.owners,
            ask=self._ask,
            unproved=[worker for worker in self.workers if not worker.proved],
            servable=roles == {shape.role for shape in self.plan.placement.topology.roles},
            foreign=self._crew.is_foreign,
        )
        deadline = Deadline.after(self.plan.context.settings.start_timeout_s)
        if not wait_until(readiness.look, deadline, watch=self._watch):
            raise not_ready(self.plan.context.frontend_url, readiness, deadline.elapsed_s)
        self._note_ready(new, servable=readiness.servable)

    def _note_ready(self, new: Sequence[Worker], *, servable: bool) -> None:
        for worker in new:
            worker.ready()
        for worker in self.workers if servable else ():
            worker.proved = True
        self._keep_load()
        self._directory.event(
            "workers ready", {"deployment": self.name, "workers": [w.name for w in new]}
        )

    def _keep_load(self) -> None:
        """Keep how long each rank of each worker took to load, and who is missing."""
        told = [
            {
                "worker": worker.step.out.name.removesuffix(".out.log"),
                "nodes": worker.placement.nodes,
                "ranks": worker.placement.world_size,
                "seconds": worker.progress.load_seconds,
                "missing": worker.progress.missing,
            }
            for worker in self.all_workers
        ]
        self._directory.write_json(f"load/{self.name}.json", told)

    def _launch(self, part: str, spec: StepSpec) -> Step:
        folder = self._directory.logs(self.name)
        self._directory.event(
            "step", {"deployment": self.name, "name": spec.name, "nodes": spec.nodes}
        )
        step = self._slurm.start(
            spec, stdout=folder / f"{part}.out.log", stderr=folder / f"{part}.err.log"
        )
        self.all_steps.append(step)
        self.lookout.listen(step, Layer.SERVICES if part == "frontend" else Layer.ENGINE)
        return step

    def _alarmed(self, alarm: Fact) -> None:
        self._directory.event("alarm", {"deployment": self.name, "what": str(alarm)})

    def _watch(self) -> None:
        progressed = [worker.observe() for worker in self.workers]
        if any(progressed):
            self._on_progress(self)
        self.check_alive()
