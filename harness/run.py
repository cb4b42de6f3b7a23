"""One qualification run: settings, allocation, plan, and the deployments made of them.

Everything here is made at first demand and made once; a failure is remembered and not retried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.dynamo.deployment import Deployment, OnProgress, State
from harness.dynamo.plan import Plan, make_plan
from harness.dynamo.shutdown import Shutdown, leftovers, shut_down
from harness.errors import HarnessError, PlanError, QualificationError
from harness.facts import run_facts
from harness.http import Http
from harness.nodes.inspection import NodeInspector
from harness.nodes.residue import Residue, ResidueKind
from harness.nodes.snapshot import Snapshot
from harness.once import NotRun, Once
from harness.preflight import check_settings
from harness.rundir import RunDirectory
from harness.serving.chat import chat, chat_many
from harness.serving.record import Record
from harness.serving.request import ChatRequest
from harness.serving.sink import RecordSink
from harness.settings import LoadedSettings
from harness.slurm.allocation import Allocation, take_nodes
from harness.slurm.client import Slurm

CHAT_TIMEOUT_S = 120.0
CANARY_TIMEOUT_S = 30.0
"""A first answer may be slow: connections are made and kernels warmed up only now."""


@dataclass(frozen=True)
class RunRequest:
    """What the command line asked for.

    ``nodes`` is the budget; ``topologies`` stand in the order of their tests.
    """

    loaded: LoadedSettings
    nodes: int
    topologies: tuple[str, ...]
    log_root: Path
    run_id: str


def placeholder_nodes(count: int) -> tuple[str, ...]:
    """Return node names for a plan made outside of an allocation."""
    return tuple(f"node{number}" for number in range(1, count + 1))


def plan_run(request: RunRequest, allocation: Allocation | None, *, head_address: str) -> Plan:
    """Plan the run: on the allocation's nodes, or on placeholders where there is none."""
    settings = request.loaded.settings
    if allocation is None:
        nodes = placeholder_nodes(request.nodes)
    else:
        nodes = take_nodes(allocation, request.nodes, head_node=settings.head_node)
    return make_plan(
        request.topologies,
        settings,
        nodes=nodes,
        head_address=head_address,
        run_id=request.run_id,
        job_id=allocation.job_id if allocation else "<SLURM_JOB_ID>",
        log_root=request.log_root,
    )


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
        self.settings = request.loaded.settings
        self.directory = directory
        self.allocation = allocation
        check_settings(self.settings, request.topologies, environ)
        self.slurm = Slurm(allocation.job_id, environ)
        head = take_nodes(allocation, 1, head_node=self.settings.head_node)[0]
        address = self.settings.head_node_ip or self.slurm.node_address(head)
        self.plan = plan_run(request, allocation, head_address=address)
        self.records = RecordSink(directory.records)
        self.inspector = NodeInspector(
            self.slurm,
            directory,
            nodes=self.plan.nodes,
            ports=self._ports(),
            account=self.settings.account,
        )
        self.baseline = Once("a clean baseline of the nodes", self._take_baseline)
        self._on_progress = on_progress
        self._deployments: dict[tuple[str, int], Once[Deployment]] = {}
        self._shutdowns: dict[tuple[str, int], Once[Shutdown]] = {}
        self._made_deployments: list[Deployment] = []
        self._reported: set[tuple[ResidueKind, str, str]] = set()
        self._services_failure: QualificationError | None = None
        self._live: Deployment | None = None

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

    def residue(self, after: Snapshot) -> list[Residue]:
        """Return what the ended steps of this run left on the nodes of ``after``.

        What an earlier shutdown has been blamed for already is left out.
        """
        steps = [step for each in self._made_deployments for step in each.all_steps]
        left = self.inspector.residue(
            self.baseline.get(),
            after,
            stopped_steps={step.number for step in steps if step.exit_code is not None},
            services_stopped=all(step.exit_code is not None for step in steps),
            tolerance_mib=self.settings.gpu_tolerance_mib,
        )
        return [each for each in left if (each.kind, each.node, each.name) not in self._reported]

    def check_nodes_clean(self, nodes: Sequence[str]) -> None:
        """Raise :class:`~harness.errors.ResidueError` for what ended steps left on these nodes."""
        if nodes:
            left = self.residue(self.snapshot("scaled", nodes))
            if left:
                self._blame(left)
                raise leftovers(left, "on nodes without a replica")

    def fail(self, deployment: Deployment, error: QualificationError) -> None:
        """Remember that a deployment has died; who needs it later is told why."""
        for once in self._deployments.values():
            if once.holds(deployment):
                once.fail(error)
        if deployment.state is not State.FAILED:
            deployment.abandon()

    def ask(self, request: ChatRequest, *, timeout_s: float = CHAT_TIMEOUT_S) -> Record:
        """Send one chat request to the live frontend and keep its record."""
        return chat(self._frontend_http(), request, timeout_s=timeout_s, sink=self.records)

    def ask_together(self, requests: Sequence[ChatRequest]) -> list[Record]:
        """Send requests all at once; the records come in the requests' order."""
        return chat_many(
            self._frontend_http(),
            requests,
            concurrency=len(requests),
            timeout_s=CHAT_TIMEOUT_S,
            sink=self.records,
        )

    def snapshot(self, moment: str, nodes: Sequence[str] = ()) -> Snapshot:
        """Probe the nodes now and keep the snapshot under the name of the moment."""
        return self.inspector.snapshot(moment, nodes)

    def facts(self) -> dict[str, str]:
        """Return what exactly was tested."""
        return run_facts(
            self.settings,
            self.plan,
            snapshot=self._last_snapshot(),
            engine_versions=self._engine_versions(),
        )

    @property
    def emulated(self) -> bool | None:
        """Whether an engine or a GPU says that it is emulated; ``None`` when neither was seen."""
        last = self._last_snapshot()
        if last is None:
            return None
        return last.emulated or any("emulated" in v for v in self._engine_versions())

    @property
    def live(self) -> Deployment | None:
        """The deployment that runs now."""
        return self._live if self._live and self._live.state is State.SERVING else None

    def close(self) -> None:
        """Stop what still runs, and remove what our own dead ranks left."""
        self._stop_live()
        if self.baseline.made:
            self.inspector.sweep()

    def _frontend_http(self) -> Http:
        if self._live is None:
            raise HarnessError("a request was to be sent while no deployment is live")
        return self._live.frontend.http

    def _take_baseline(self) -> Snapshot:
        snapshot = self.snapshot("baseline")
        self.inspector.check_unoccupied(snapshot, gpu_idle_mib=self.settings.gpu_idle_mib)
        return snapshot

    def _deploy(self, name: str, generation: int) -> Deployment:
        self.baseline.get()
        if generation:
            self.shutdown(name, generation=generation - 1)
        if self._services_failure is not None:
            raise NotRun("what every deployment starts with", self._services_failure)
        self._stop_live()
        plan = self.plan.deployment(name)
        deployment = Deployment(
            plan.again() if generation else plan,
            slurm=self.slurm,
            directory=self.directory,
            ask=lambda request: self.ask(request, timeout_s=CANARY_TIMEOUT_S),
            on_progress=self._on_progress,
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
        deployment.check_alive()
        shutdown = shut_down(
            deployment,
            snapshot=self.snapshot,
            residue=self.residue,
            steps=self.slurm.steps,
        )
        self._live = None
        self._blame(shutdown.residue)
        return shutdown

    def _blame(self, left: Sequence[Residue]) -> None:
        self._reported |= {(each.kind, each.node, each.name) for each in left}

    def _engine_versions(self) -> set[str]:
        workers = [worker for each in self._made_deployments for worker in each.all_workers]
        return {worker.progress.engine_version for worker in workers} - {""}

    def _last_snapshot(self) -> Snapshot | None:
        return self.inspector.taken[-1] if self.inspector.taken else None

    def _ports(self) -> dict[str, int]:
        settings = self.settings
        return {
            "the frontend": settings.dyn_http_port,
            "etcd": settings.etcd_port,
            "NATS": settings.nats_port,
        }

    def _stop_live(self) -> None:
        live, self._live = self.live, None
        if live is not None:
            live.stop()


def _title(name: str, generation: int) -> str:
    return f"deployment {name}" if generation == 0 else f"deployment {name}, made again,"
