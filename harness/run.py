"""One qualification run: settings, allocation, plan, and the deployments made of them.

Everything here is made at first demand and made once; a failure is remembered and not retried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.disruptions import Disruptions
from harness.dynamo.deployment import Deployment, OnProgress, State
from harness.dynamo.shutdown import Shutdown, measure, shut_down
from harness.dynamo.warm_up import WarmUp
from harness.errors import HarnessError, PlanError, QualificationError
from harness.explaining import LOOK_S, Explainer
from harness.facts import run_facts
from harness.fitness import Asked, Fitness, Question
from harness.guard.guard import RunGuard
from harness.http import Http
from harness.measures import Measures
from harness.nodes.inspection import NodeInspector
from harness.nodes.keeper import NodeKeeper
from harness.nodes.reaching import Reached, check_reachable, pairs_between
from harness.nodes.snapshot import Snapshot
from harness.once import NotRun, Once
from harness.planning import RunRequest, plan_run
from harness.preflight import (
    check_settings,
    context_tokens,
    prompt_limit,
    shares_expert_memory,
)
from harness.releases import dynamo_release
from harness.rundir import RunDirectory
from harness.serving.endpoint import REQUEST_TIMEOUT_S, Endpoint, Served
from harness.serving.load import SteadyLoad
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.serving.sink import RecordSink
from harness.settings import Settings
from harness.slurm.allocation import Allocation, take_nodes
from harness.slurm.client import Slurm
from harness.slurm.step import Step
from harness.topology import Role

CALL_S = 3.0
"""Seconds for every node of a deployment in doubt to say a word; a tenth is usual."""

LOAD_CLIENTS = 16
"""Most requests of the steady load in flight."""

CANARY_TIMEOUT_S = 30.0
"""A first answer may be slow: connections are made and kernels warmed up only now."""


class QualificationRun:
    """A run on a real allocation."""

    def __init__(
        self,
        request: RunRequest,
        *,
        allocation: Allocation | None,
        directory: RunDirectory,
        on_progress: OnProgress,
        environ: Mapping[str, str],
    ) -> None:
        """Check everything that can be checked without a node; raises some ConfigError."""
        if allocation is None:
            raise PlanError(
                "not inside a Slurm allocation: SLURM_JOB_ID is not set",
                hint="salloc first, or see what would be done with --plan",
            )
        self._live: Deployment | None = None
        self.settings = request.loaded.settings
        self.directory = directory
        self.allocation = allocation
        check_settings(self.settings, request.topologies, environ)
        self.slurm = Slurm(allocation.job_id, environ)
        self.slurm.on_away = lambda words, seconds: directory.event(
            "slurmctld was away", {"said": words, "seconds": round(seconds, 1)}
        )
        self.slurm.pointless = self._why_pointless
        self._cluster = Once("Slurm's word on the cluster", self.slurm.cluster)
        head = take_nodes(allocation, 1, head_node=self.settings.head_node)[0]
        address = self.settings.head_node_ip or self.slurm.node_address(head)
        self.plan = plan_run(request, allocation, head_address=address)
        self.records = RecordSink(directory.records, directory.redactor)
        self.measures = Measures(directory)
        self.inspector = NodeInspector(
            self.slurm,
            directory,
            nodes=self.plan.nodes,
            ports=_ports(self.settings),
            leader_ports=_leader_ports(self.settings),
            account=self.settings.account,
        )
        self.keeper = NodeKeeper(
            self.inspector,
            self.slurm,
            own_prefix=f"qualify-{directory.run_id}-",
            own_step=environ.get("SLURM_STEP_ID", ""),
            gpu_idle_mib=self.settings.gpu_idle_mib,
            gpu_tolerance_mib=self.settings.gpu_tolerance_mib,
            before=lambda: self.fitness.ask(Question.STATES),
        )
        self.baseline = self.keeper.baseline
        self.guard = RunGuard(
            self.slurm,
            directory,
            nodes=self.plan.nodes,
            drain_s=self.settings.stop_budget_s,
            account=self.settings.account,
        )
        self.fitness = Fitness(
            Asked(
                self.settings,
                self.plan,
                self.slurm,
                directory,
                baseline=self.baseline.get,
                stand_guard=self.guard.post,
            )
        )
        self.explainer = Explainer(
            self.slurm,
            directory,
            self.inspector,
            nodes=self.plan.nodes,
            gpu_idle_mib=self.settings.gpu_idle_mib,
            last=lambda: next(reversed(self._made_deployments), None),
        )
        self.references: dict[str, Record] = {}
        self._on_progress = on_progress
        self._deployments: dict[tuple[str, int], Once[Deployment]] = {}
        self._shutdowns: dict[tuple[str, int], Once[Shutdown]] = {}
        self._reaches: dict[str, Once[Reached]] = {}
        self._made_deployments: list[Deployment] = []
        self._services_failure: QualificationError | None = None
        self.disruptions = Disruptions(
            self.deployment,
            start_load=self.start_load,
            ask=self.ask,
            measures=self.measures,
            sweep=lambda nodes: self.inspector.sweep("killed", nodes),
        )

    def deployment(self, name: str, *, generation: int = 0) -> Deployment:
        """Return the running deployment of a topology, made now if need be.

        ``generation`` 1 is the second deployment on the same nodes. Whatever else still runs is
        stopped first, since deployments of one run share nodes. Raises the deployment's error the
        first time, and :class:`~harness.once.NotRun` afterwards.
        """
        key = (name, generation)
        if key not in self._deployments:
            self._deployments[key] = Once(
                _title(name, generation), lambda: self._deploy(name, generation)
            )
        return self._deployments[key].get()

    def shutdown(self, name: str, *, generation: int = 0) -> Shutdown:
        """Return the facts of a deployment's shutdown, which is done now if it has not been."""
        key = (name, generation)
        if key not in self._shutdowns:
            title = f"the shutdown of {_title(name, generation)}"
            self._shutdowns[key] = Once(title, lambda: self._shut_down(name, generation))
        return self._shutdowns[key].get()

    def reach(self, name: str) -> Reached:
        """Return how prefill and decode nodes of a topology reach each other, found out once.

        Raises :class:`~harness.errors.NodesApart` where they do not.
        """
        if name not in self._reaches:
            title = f"a network between the workers of {name}"
            self._reaches[name] = Once(title, lambda: self._reach(name))
        return self._reaches[name].get()

    def check_nodes_clean(self, nodes: Sequence[str]) -> None:
        """Raise :class:`~harness.errors.ResidueError` for what ended steps left on these nodes."""
        deployment = self._live.name if self._live else "run"
        self.keeper.check_clean(nodes, self._all_steps(), deployment=deployment)

    def start_load(self) -> SteadyLoad:
        """Start a steady stream of requests to the live frontend; the caller stops it."""
        model, rate = self.settings.model_name, self.settings.load_rate_per_s
        load = SteadyLoad(
            self._frontend_http(),
            lambda number: load_request(model, number),
            rate_per_s=rate,
            clients=LOAD_CLIENTS,
            timeout_s=REQUEST_TIMEOUT_S,
            sink=self.records,
            stall_limit_s=self.settings.stall_limit_s,
        )
        return load.__enter__()

    def fail(self, deployment: Deployment, error: QualificationError) -> QualificationError:
        """Remember that a deployment has died; who needs it later is told why.

        Return the error with its first cause, to be raised.
        """
        dead = deployment.state is State.FAILED
        error = error if dead else self.explainer.explain(error, deployment)
        for once in self._deployments.values():
            if once.holds(deployment):
                once.fail(error)
        if deployment.state is not State.FAILED:
            deployment.abandon()
        self.disruptions.end_load(deployment.name)
        return error

    def ask(self, request: ChatRequest, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Record:
        """Send one chat request to the live frontend and keep its record."""
        return self._endpoint().ask(request, timeout_s=timeout_s)

    def ask_together(self, requests: Sequence[ChatRequest]) -> list[Record]:
        """Send requests all at once; the records come in the requests' order."""
        return self._endpoint().ask_together(requests)

    def endpoint(self, name: str) -> Endpoint:
        """Return the live frontend with all that is known of what the topology serves."""
        apart = self.plan.deployment(name).placement.topology.disaggregated
        release = dynamo_release(self.settings.dynamo_release)
        served = Served(
            self.settings.model_name,
            self.settings.features or release.serves(disaggregated=apart),
            prompt_limit=prompt_limit(self.settings, name),
            context_tokens=context_tokens(self.settings, name),
        )
        return self._endpoint(served)

    def snapshot(self, moment: str, nodes: Sequence[str] = ()) -> Snapshot:
        """Probe the nodes now and keep the snapshot under the name of the moment."""
        return self.inspector.snapshot(moment, nodes)

    def facts(self) -> dict[str, str]:
        """Return what exactly was tested."""
        facts = run_facts(
            self.settings,
            self.plan,
            snapshot=self._last_snapshot(),
            condition=self.inspector.conditions,
            engine_versions=self._engine_versions(),
            cluster=self._cluster.get(),
        )
        return {**facts, **self.fitness.facts()}

    @property
    def emulated(self) -> bool | None:
        """Whether an engine or a GPU says that it is emulated; ``None`` while no engine was seen.

        Real GPUs alone prove nothing about the engine on them.
        """
        last, versions = self._last_snapshot(), self._engine_versions()
        if any("emulated" in version for version in versions) or (last and last.emulated):
            return True
        return False if versions else None

    @property
    def looked(self) -> bool:
        """Whether the nodes have been looked at: their facts are known then."""
        return bool(self.inspector.taken)

    @property
    def live(self) -> Deployment | None:
        """The deployment that runs now."""
        return self._live if self._live and self._live.state is State.SERVING else None

    def steps_of(self, deployment: str) -> list[Step]:
        """Return all steps that were ever started for a deployment, by its name."""
        made = (each for each in self._made_deployments if each.name == deployment)
        return [step for each in made for step in each.all_steps]

    def close(self) -> None:
        """Stop what still runs, and remove what our own dead ranks left."""
        try:
            self._close()
        except QualificationError as error:
            raise self.explainer.explain(error, None) from error

    def _close(self) -> None:
        self._stop_live()
        if not self.baseline.made:
            self.guard.dismiss()
            return
        end = self.inspector.sweep("end")
        self.guard.dismiss()
        if self.keeper.has_processes(end, self._all_steps()):
            self.guard.end_orphans()

    def _look_closer(self, nodes: Sequence[str]) -> Snapshot:
        """Look at nodes of a deployment in doubt; raises InfraError for one that does not answer.

        They are called first: a program cannot be sent to some while another does not answer.
        """
        self.inspector.call(nodes, timeout_s=CALL_S)
        return self.inspector.snapshot("doubt", nodes, timeout_s=LOOK_S, anyway=True)

    def _why_pointless(self) -> str:
        """Say what the watch over the live deployment has found; empty while all is well."""
        return self.live.lookout.alarm_words if self.live else ""

    def _endpoint(self, served: Served | None = None) -> Endpoint:
        served = served or Served(self.settings.model_name)
        return Endpoint(self._frontend_http(), served, self.records)

    def _frontend_http(self) -> Http:
        if self._live is None:
            raise HarnessError("a request was to be sent while no deployment is live")
        return self._live.frontend.http

    def _all_steps(self) -> list[Step]:
        return [step for each in self._made_deployments for step in each.all_steps]

    def _reach(self, name: str) -> Reached:
        placement = self.plan.deployment(name).placement
        sides = [
            [node for worker in placement.of(role) for node in worker.nodes]
            for role in (Role.PREFILL, Role.DECODE)
        ]
        workers = {node: worker.name for worker in placement.workers for node in worker.nodes}
        reached = check_reachable(
            self.slurm,
            pairs_between(*sides),
            addresses={node: self.slurm.node_address(node) for node in workers},
            workers=workers,
            step_name=f"qualify-{self.directory.run_id}-reach-{name}",
            account=self.settings.account,
        )
        exchanges = {f"{a} to {b}": ms for (a, b), ms in reached.exchange_ms.items()}
        self.directory.event("nodes reach each other", {"deployment": name, "ms": exchanges})
        return reached

    def _deploy(self, name: str, generation: int) -> Deployment:
        self.guard.post()
        self.fitness.require()
        if generation:
            self.shutdown(name, generation=generation - 1)
        if self._services_failure is not None:
            raise NotRun("what every deployment starts with", self._services_failure)
        self._stop_live()
        plan = self.plan.deployment(name)
        if plan.placement.topology.disaggregated:
            self.reach(name)
        plan = plan.again(generation) if generation else plan
        warm_up = WarmUp(self.measures, where=plan.name)
        deployment = Deployment(
            plan,
            slurm=self.slurm,
            directory=self.directory,
            ask=lambda request: warm_up.note(self.ask(request, timeout_s=CANARY_TIMEOUT_S)),
            on_progress=self._on_progress,
            explain=self.explainer.explain,
            look=self._look_closer,
        )
        self._live = deployment
        self._made_deployments.append(deployment)
        try:
            deployment.start()
        except QualificationError as error:
            if not deployment.all_workers:
                self._services_failure = error
            raise
        return deployment

    def _shut_down(self, name: str, generation: int) -> Shutdown:
        deployment = self.deployment(name, generation=generation)
        try:
            deployment.check_alive()
        except QualificationError as error:
            raise self.fail(deployment, error) from error
        self.disruptions.end_load(name)
        shutdown = shut_down(
            deployment,
            self.keeper,
            all_steps=self._all_steps(),
            eplb_nodes=[
                node
                for worker in deployment.workers
                if shares_expert_memory(self.settings, worker.placement.engine_config)
                for node in worker.placement.nodes
            ],
            listed=self.slurm.steps,
        )
        measure(shutdown, self.measures, where=deployment.name)
        self._live = None
        return shutdown

    def _engine_versions(self) -> set[str]:
        workers = [worker for each in self._made_deployments for worker in each.all_workers]
        return {worker.progress.engine_version for worker in workers} - {""}

    def _last_snapshot(self) -> Snapshot | None:
        return self.inspector.taken[-1] if self.inspector.taken else None

    def _stop_live(self) -> None:
        self.disruptions.end_loads()
        live, self._live = self.live, None
        if live is not None:
            live.stop()


def _title(name: str, generation: int) -> str:
    return f"deployment {name}" if generation == 0 else f"deployment {name}, made again,"


def load_request(model: str, number: int) -> ChatRequest:
    """Return one request of the steady load: a short stream that names its workers."""
    request = ChatRequest.ask(
        model, f"Count on from {number}.", max_tokens=16, temperature=0.0, stream=True
    )
    return request.naming_workers()


def _ports(settings: Settings) -> dict[str, int]:
    return {
        "the frontend": settings.dyn_http_port,
        "etcd": settings.etcd_port,
        "NATS": settings.nats_port,
    }


def _leader_ports(settings: Settings) -> dict[str, int]:
    port = settings.dyn_system_port
    return {"a worker's metrics": port} if port else {}
