"""A worker over several nodes becomes one registered instance, and nothing else does."""

import pytest

from harness.dynamo.deployment import Deployment
from harness.dynamo.worker import Worker
from harness.run import QualificationRun

pytestmark = [pytest.mark.agg, pytest.mark.topology("agg"), pytest.mark.lifecycle("register")]


def test_deployment_becomes_ready(deployment: Deployment) -> None:
    """An answer with tokens comes within the start timeout (seed, "Understanding the Output")."""
    assert [worker.name for worker in deployment.workers] == ["agg-0"]


def test_frontend_step_runs_one_task_on_the_head_node(deployment: Deployment) -> None:
    """etcd, NATS and the frontend are one step of one task on the head node (seed, output 1)."""
    launched = deployment.frontend_step.launched

    assert [(each.node, each.ranks) for each in launched] == [
        (deployment.plan.context.head_node, (0,))
    ]


def test_worker_step_puts_the_planned_ranks_on_the_planned_nodes(worker: Worker) -> None:
    """srun gives each node of the worker NUM_GPUS_PER_NODE consecutive ranks (seed, output 1)."""
    planned = {node: worker.placement.ranks_on(node) for node in worker.placement.nodes}

    assert worker.ranks_by_node() == planned


def test_slurm_lists_one_worker_step_on_the_planned_nodes(
    run: QualificationRun, worker: Worker
) -> None:
    """squeue shows the worker's step once, on exactly the planned nodes."""
    rows = [row for row in run.slurm.steps() if row.name == worker.step.name]

    assert [(row.step_id, set(row.nodes)) for row in rows] == [
        (worker.step.step_id, set(worker.placement.nodes))
    ]


def test_every_rank_announces_the_world_size_once(worker: Worker) -> None:
    """Each rank says ``mpi_world_size: SIZE`` once, with the planned size (seed, output 3)."""
    size = worker.placement.world_size

    assert worker.reported_world_sizes() == {(rank, size): 1 for rank in range(size)}


def test_rank_zero_alone_leads(worker: Worker) -> None:
    """One rank starts as leader, and it is rank 0 (trtllm-llmapi-launch)."""
    worker.observe()

    assert worker.progress.leaders == [0]


def test_every_rank_reports_model_init(worker: Worker) -> None:
    """Each rank says ``Model init total`` with the seconds it took (seed, output 3)."""
    worker.observe()

    assert sorted(worker.progress.load_seconds) == list(range(worker.placement.world_size))
    assert min(worker.progress.load_seconds.values()) > 0


def test_every_planned_gpu_holds_the_model(run: QualificationRun, worker: Worker) -> None:
    """Memory of each planned GPU is in use while the worker lives: every rank has its own."""
    snapshot = run.snapshot("registered")
    idle = run.settings.gpu_idle_mib
    empty = [
        f"{node} GPU {gpu.index}"
        for node in worker.placement.nodes
        for gpu in snapshot.nodes[node].gpus or ()
        if (gpu.memory_used_mib or 0) <= idle
    ]

    assert empty == []


def test_nothing_was_registered_before_the_first_worker(deployment: Deployment) -> None:
    """Discovery starts empty: no record is older than the run (FAULTS: stale etcd)."""
    assert deployment.instances_before_workers == ()


def test_worker_registers_exactly_one_instance(deployment: Deployment) -> None:
    """One worker is one instance, whatever its number of ranks."""
    assert len(deployment.instances()) == 1


def test_the_leader_serves_the_instance(deployment: Deployment, worker: Worker) -> None:
    """The instance's address is that of rank 0's node."""
    [instance] = deployment.instances()

    assert deployment.worker_of(instance) is worker


def test_models_lists_the_served_name_and_nothing_else(deployment: Deployment) -> None:
    """/v1/models has SERVED_MODEL_NAME and only it (seed, "Example Request")."""
    assert deployment.frontend.models() == (deployment.plan.context.settings.model_name,)


def test_health_and_etcd_agree_on_the_instances(deployment: Deployment) -> None:
    """/health is healthy and lists the instance ids that etcd has: 200 alone would say nothing."""
    health = deployment.frontend.health()
    listed = {each["instance_id"] for each in health["instances"] if each["endpoint"] == "generate"}

    assert health["status"] == "healthy"
    assert listed == {each.instance_id for each in deployment.discovery.instances()}
