"""The end of a deployment: orderly, complete, nothing left on any node (seed, "Known Issues")."""

from __future__ import annotations

import pytest

from harness.dynamo.shutdown import Shutdown
from harness.nodes.residue import ResidueKind


@pytest.mark.lifecycle("shutdown")
class ShutdownPromises:
    """What holds of every deployment that is told to stop, for each of its workers."""

    def test_worker_steps_exit_zero_on_sigterm(self, shutdown: Shutdown) -> None:
        """After SIGTERM every rank ends with exit code 0, within the budget, none killed."""
        assert [str(worker) for worker in shutdown.workers if not worker.orderly] == []

    def test_instances_go_before_the_workers_do(self, shutdown: Shutdown) -> None:
        """Dynamo takes an instance out of discovery first: no request meets a dying worker.

        What a worker says on its way out (unregistered, drained, ..., ranks ended) has this order.
        """
        assert [str(worker) for worker in shutdown.workers if not worker.left_first] == []
        assert [str(worker) for worker in shutdown.workers if not worker.in_order] == []

    def test_no_instance_and_no_model_is_left(self, shutdown: Shutdown) -> None:
        """etcd has no serving instance and /v1/models no model once the workers are gone."""
        assert shutdown.instances_left == ()
        assert shutdown.models_left == ()

    def test_frontend_step_exits_zero_when_stopped(self, shutdown: Shutdown) -> None:
        """Frontend, NATS and etcd end in this order, and their step with exit code 0."""
        assert shutdown.services.orderly, str(shutdown.services)

    def test_no_step_is_left(self, shutdown: Shutdown) -> None:
        """squeue lists no step of the deployment."""
        assert shutdown.steps_left == ()

    def test_no_process_is_left_on_any_node(self, shutdown: Shutdown) -> None:
        """No process of the job's ended steps, seen on every node before, lives on any node."""
        shutdown.check_nothing_left(ResidueKind.PROCESS)

    def test_no_port_is_left_open(self, shutdown: Shutdown) -> None:
        """Nobody listens any more on the ports of services and workers."""
        shutdown.check_nothing_left(ResidueKind.PORT)

    def test_no_shared_memory_file_is_left(self, shutdown: Shutdown) -> None:
        """Nodes that showed moe_* files while their workers ran have none any more."""
        shutdown.check_nothing_left(ResidueKind.SHM_FILE)

    def test_gpu_memory_is_back_on_every_gpu(self, shutdown: Shutdown) -> None:
        """Memory in use of every GPU, by UUID, seen to be held before, is back at the baseline."""
        shutdown.check_nothing_left(ResidueKind.GPU_MEMORY)
