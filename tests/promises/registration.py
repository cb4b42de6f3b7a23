"""A worker over several nodes becomes one registered instance, and nothing else does."""

from __future__ import annotations

import pytest

from harness.dynamo.deployment import Deployment
from harness.run import QualificationRun


@pytest.mark.lifecycle("register")
class RegistrationPromises:
    """What holds of a deployment as soon as it is ready, for each of its workers."""

    def test_deployment_becomes_ready(self, deployment: Deployment) -> None:
        """An answer with tokens comes in time (seed, "Understanding the Output")."""
        planned = [each.name for group in deployment.plan.placement.initial for each in group]

        assert [worker.name for worker in deployment.workers] == planned

    def test_frontend_step_runs_one_task_on_the_head_node(self, deployment: Deployment) -> None:
        """etcd, NATS and the frontend are one step of one task on the head node (seed, output)."""
        launched = deployment.frontend_step.launched

        assert [(each.node, each.ranks) for each in launched] == [
            (deployment.plan.context.head_node, (0,))
        ]

    def test_worker_steps_put_the_planned_ranks_on_the_planned_nodes(
        self, deployment: Deployment
    ) -> None:
        """srun gives each node of a worker NUM_GPUS_PER_NODE consecutive ranks (seed, output)."""
        launched = {worker.name: worker.ranks_by_node() for worker in deployment.workers}

        assert launched == {
            worker.name: {node: worker.placement.ranks_on(node) for node in worker.placement.nodes}
            for worker in deployment.workers
        }

    def test_slurm_lists_each_worker_step_once_on_the_planned_nodes(
        self, run: QualificationRun, deployment: Deployment
    ) -> None:
        """squeue shows each worker's step once, on exactly the planned nodes."""
        steps = {worker.step.name: worker for worker in deployment.workers}
        rows = [row for row in run.slurm.steps() if row.name in steps]

        assert sorted((row.step_id, sorted(row.nodes)) for row in rows) == sorted(
            (worker.step.step_id, sorted(worker.placement.nodes)) for worker in steps.values()
        )

    def test_no_two_workers_share_a_node(
        self, run: QualificationRun, deployment: Deployment
    ) -> None:
        """By squeue each node carries one worker: on a shared one GPUs run out of memory."""
        steps = {worker.step.name for worker in deployment.workers}
        nodes = [node for row in run.slurm.steps() if row.name in steps for node in row.nodes]

        assert sorted(nodes) == sorted(set(nodes))

    def test_every_rank_announces_the_world_size_once(self, deployment: Deployment) -> None:
        """Each rank says ``mpi_world_size: SIZE`` once, with the planned size (seed, output)."""
        said = {worker.name: worker.reported_world_sizes() for worker in deployment.workers}

        assert said == {
            worker.name: {(rank, size): 1 for rank in range(size)}
            for worker in deployment.workers
            for size in [worker.placement.world_size]
        }

    def test_rank_zero_alone_leads(self, deployment: Deployment) -> None:
        """One rank of each worker starts as leader, and it is rank 0 (trtllm-llmapi-launch)."""
        leaders = {worker.name: worker.progress.leaders for worker in deployment.workers}

        assert leaders == {worker.name: [0] for worker in deployment.workers}

    def test_every_rank_reports_model_init(self, deployment: Deployment) -> None:
        """Each rank says ``Model init total`` with the seconds it took (seed, output)."""
        seconds = {worker.name: worker.progress.load_seconds for worker in deployment.workers}

        assert {name: sorted(each) for name, each in seconds.items()} == {
            worker.name: list(range(worker.placement.world_size)) for worker in deployment.workers
        }
        assert min(s for each in seconds.values() for s in each.values()) > 0

    def test_every_planned_gpu_holds_the_model(
        self, run: QualificationRun, deployment: Deployment
    ) -> None:
        """Memory of each planned GPU is in use while the worker lives: every rank has its own."""
        snapshot = run.snapshot("registered")
        empty = [
            f"{node} GPU {gpu.index}"
            for worker in deployment.workers
            for node in worker.placement.nodes
            for gpu in snapshot.nodes[node].gpus or ()
            if (gpu.memory_used_mib or 0) <= run.settings.gpu_idle_mib
        ]

        assert empty == []

    def test_nothing_was_registered_before_the_first_worker(self, deployment: Deployment) -> None:
        """Discovery starts empty: no record is older than the run (FAULTS: stale etcd)."""
        assert deployment.instances_before_workers == ()

    def test_each_worker_registers_exactly_one_instance(self, deployment: Deployment) -> None:
        """One worker is one instance, whatever its number of ranks, served by its leader's node."""
        owners = [deployment.worker_of(each) for each in deployment.instances()]

        assert sorted(worker.name if worker else "nobody" for worker in owners) == sorted(
            worker.name for worker in deployment.workers
        )

    def test_models_lists_the_served_name_and_nothing_else(self, deployment: Deployment) -> None:
        """/v1/models has SERVED_MODEL_NAME and only it (seed, "Example Request")."""
        assert deployment.frontend.models() == (deployment.plan.context.settings.model_name,)

    def test_health_and_etcd_agree_on_the_instances(self, deployment: Deployment) -> None:
        """/health is healthy and lists the instances that etcd has: 200 alone says nothing."""
        health = deployment.frontend.health()
        listed = {
            each["instance_id"] for each in health["instances"] if each["endpoint"] == "generate"
        }

        assert health["status"] == "healthy"
        assert listed == {each.instance_id for each in deployment.discovery.instances()}
