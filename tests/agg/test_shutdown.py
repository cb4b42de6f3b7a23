"""The end of a worker: orderly, complete, nothing left on any node (seed, "Known Issues")."""

import pytest

from harness.dynamo.shutdown import Shutdown
from harness.nodes.eplb import eplb_files
from harness.nodes.residue import ResidueKind
from harness.run import QualificationRun

pytestmark = [pytest.mark.agg, pytest.mark.topology("agg"), pytest.mark.lifecycle("shutdown")]


def test_worker_step_exits_zero_on_sigterm(shutdown: Shutdown) -> None:
    """After SIGTERM every rank ends with exit code 0, within the budget, none of them killed."""
    [worker] = shutdown.workers

    assert worker.orderly, str(worker)


def test_instance_goes_before_the_worker_does(shutdown: Shutdown) -> None:
    """Dynamo takes the instance out of discovery first: no request is sent to a dying worker."""
    [worker] = shutdown.workers

    assert worker.unregistered_s is not None, str(worker)
    assert worker.ended_s is not None, str(worker)
    assert worker.unregistered_s <= worker.ended_s


def test_no_instance_and_no_model_is_left(shutdown: Shutdown) -> None:
    """etcd has no serving instance and /v1/models no model once the only worker is gone."""
    assert shutdown.instances_left == ()
    assert shutdown.models_left == ()


def test_frontend_step_exits_zero_on_sigterm(shutdown: Shutdown) -> None:
    """Frontend, NATS and etcd end in this order, and their step with exit code 0."""
    assert shutdown.services.orderly, str(shutdown.services)


def test_no_step_is_left(shutdown: Shutdown) -> None:
    """squeue lists no step of the deployment."""
    assert shutdown.steps_left == ()


def test_no_process_is_left_on_any_node(shutdown: Shutdown) -> None:
    """No process of the job's ended steps lives on any node."""
    shutdown.check_nothing_left(ResidueKind.PROCESS)


def test_no_port_is_left_open(shutdown: Shutdown) -> None:
    """Nobody listens any more on the ports of etcd, NATS and the frontend."""
    shutdown.check_nothing_left(ResidueKind.PORT)


def test_no_shared_memory_file_is_left(run: QualificationRun, shutdown: Shutdown) -> None:
    """Each node showed moe_* files while the worker ran, and now all of them are gone."""
    seen = eplb_files(shutdown.running)

    # Had none been seen, its absence now would prove nothing.
    assert all(seen.get(node, 0) > 0 for node in run.plan.nodes), f"seen while running: {seen}"
    shutdown.check_nothing_left(ResidueKind.SHM_FILE)


def test_gpu_memory_is_back_on_every_gpu(shutdown: Shutdown) -> None:
    """Memory in use of every GPU, by UUID, is back at the baseline."""
    shutdown.check_nothing_left(ResidueKind.GPU_MEMORY)
