"""Pure: the steps of a deployment, from settings and placement. Nothing is started here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.mounts import Mount, parse_mounts
from harness.releases import EPLB_SHM_DEFAULT, dynamo_release
from harness.rundir import RUN_VARIABLE
from harness.settings import PROJECT_ROOT, Settings
from harness.slurm.srun import ContainerSpec, StepSpec
from harness.topology import WorkerPlacement

SCRIPTS = PurePosixPath("/qualify/scripts")
LOGS = PurePosixPath("/qualify/logs")
SCRIPTS_SOURCE = PROJECT_ROOT / "harness" / "dynamo" / "scripts"


MPI_TYPE = "pmix"
"""What a worker's step is started with (``srun --mpi``)."""


@dataclass(frozen=True)
class LaunchContext:
    """What all steps of one deployment share; ``name`` is its name, ``log_folder`` on the host."""

    settings: Settings
    name: str
    run_id: str
    job_id: str
    head_node: str
    head_address: str
    log_folder: Path

    @property
    def etcd_url(self) -> str:
        """etcd's client URL, as every node reaches it."""
        return f"http://{self.head_address}:{self.settings.etcd_port}"

    @property
    def frontend_url(self) -> str:
        """The OpenAI frontend's URL."""
        return f"http://{self.head_address}:{self.settings.dyn_http_port}"

    @property
    def nats_url(self) -> str:
        """NATS's URL."""
        return f"nats://{self.head_address}:{self.settings.nats_port}"

    def step_name(self, part: str) -> str:
        """Return the name of a step, unique over runs: who looks at squeue sees whose it is."""
        return f"qualify-{self.run_id}-{self.name}-{part}"

    def eplb_prefix(self, worker: WorkerPlacement) -> str:
        """Return TRTLLM_EPLB_SHM_NAME of a worker.

        A name of this run alone, so that a file left in /dev/shm has an owner. It begins with
        TensorRT-LLM's default, which operators look for.
        """
        return f"{EPLB_SHM_DEFAULT}_{self.run_id}_{self.name}_{worker.label}"


def all_mounts(settings: Settings) -> tuple[Mount, ...]:
    """Return MOUNTS and the site's own pairs."""
    return (
        *parse_mounts(settings.mounts, where="MOUNTS"),
        *parse_mounts(settings.extra_mounts, where="EXTRA_MOUNTS"),
    )


def frontend_step(context: LaunchContext, *, replicas: int = 1) -> StepSpec:
    """Return the step for etcd, NATS and the frontend: one task on the head node.

    ``replicas`` is the number of workers of the role that has most. Where there are several, a
    request may be given to another one: without that, Dynamo 1.4.2 answers 500 to a request whose
    worker leaves in order in the moment in which it is chosen.
    """
    settings = context.settings
    limit = settings.migration_limit
    moving = {"DYN_MIGRATION_LIMIT": str(limit)} if replicas > 1 and limit else {}
    return StepSpec(
        name=context.step_name("frontend"),
        job_id=context.job_id,
        nodes=(context.head_node,),
        tasks_per_node=1,
        command=(str(SCRIPTS / "start_frontend_services.sh"),),
        container=_container(context),
        account=settings.account,
        variables={
            **_shared_variables(context),
            "ETCD_PORT": str(settings.etcd_port),
            "NATS_PORT": str(settings.nats_port),
            "DYN_HTTP_PORT": str(settings.dyn_http_port),
            "SERVICE_LOGS": str(LOGS),
            **moving,
        },
    )


def worker_step(context: LaunchContext, worker: WorkerPlacement) -> StepSpec:
    """Return the step of one worker: one task a GPU, one MPI world."""
    settings = context.settings
    release = dynamo_release(settings.dynamo_release)
    metrics = settings.dyn_system_port > 0
    flags = release.worker_flags(strategy=settings.disaggregation_strategy, metrics=metrics)
    return StepSpec(
        name=context.step_name(worker.label),
        job_id=context.job_id,
        nodes=worker.nodes,
        tasks_per_node=worker.gpus_per_node,
        command=(str(SCRIPTS / "start_trtllm_worker.sh"),),
        container=_container(context),
        mpi=MPI_TYPE,
        account=settings.account,
        variables={
            **_shared_variables(context),
            "DISAGGREGATION_MODE": worker.role.disaggregation_mode,
            "ENGINE_CONFIG": worker.engine_config,
            "MODEL_PATH": settings.model_path,
            "SERVED_MODEL_NAME": settings.model_name,
            "TRTLLM_EPLB_SHM_NAME": context.eplb_prefix(worker),
            "WORKER_FLAGS": " ".join(flags),
            "WORKER_MODULE": release.worker_module,
            **({"DYN_SYSTEM_PORT": str(settings.dyn_system_port)} if metrics else {}),
        },
    )


def _container(context: LaunchContext) -> ContainerSpec:
    own = (Mount(SCRIPTS_SOURCE, SCRIPTS, "ro"), Mount(context.log_folder, LOGS))
    return ContainerSpec(
        context.settings.image or "<IMAGE is not set>", (*all_mounts(context.settings), *own)
    )


def _shared_variables(context: LaunchContext) -> dict[str, str]:
    return {
        **context.settings.environment,
        "ETCD_ENDPOINTS": context.etcd_url,
        "HEAD_NODE": context.head_node,
        "HEAD_NODE_IP": context.head_address,
        "NATS_SERVER": context.nats_url,
        RUN_VARIABLE: context.run_id,
    }
