"""Replicas of a single-node worker: up to the limit and back, each seen serving."""

import pytest

from fixtures.scaling import ScaledTo
from harness.dynamo.deployment import Deployment
from harness.dynamo.shutdown import Shutdown
from harness.run import QualificationRun
from harness.serving.judges import judge_unary

pytestmark = [pytest.mark.agg, pytest.mark.topology("agg-replicas")]


@pytest.mark.lifecycle("register")
def test_first_replica_serves(deployment: Deployment) -> None:
    """One single-node replica registers and answers."""
    assert len(deployment.instances()) == 1


@pytest.mark.lifecycle("scale")
class TestScaling:
    """Up one by one, then down; the parameter is the number of replicas after the step."""

    def test_replicas_are_registered(self, scaled: ScaledTo) -> None:
        """Discovery has exactly one instance for each replica, each served from its own node."""
        workers = [scaled.deployment.worker_of(each) for each in scaled.deployment.instances()]

        assert sorted(w.name for w in workers if w) == [f"agg-{n}" for n in range(scaled.replicas)]

    def test_every_replica_is_seen_serving(self, scaled: ScaledTo) -> None:
        """Worker ids in the answers show every replica at work, and every answer is whole."""
        records = scaled.ask_everyone()

        assert not [finding for record in records for finding in judge_unary(record)]
        assert scaled.served_by(records) == {f"agg-{n}" for n in range(scaled.replicas)}

    def test_removed_replicas_stopped_in_order(self, scaled: ScaledTo) -> None:
        """A replica that is taken away ends with 0 on every rank, and its instance goes first."""
        assert [str(report) for report in scaled.stopped if not report.orderly] == []

    def test_removed_replicas_left_nothing(self, run: QualificationRun, scaled: ScaledTo) -> None:
        """Nodes without a replica are as they were before the run, while the others serve on."""
        run.check_nodes_clean(scaled.idle_nodes)


@pytest.mark.lifecycle("shutdown")
def test_last_replica_and_services_leave_nothing(shutdown: Shutdown) -> None:
    """The last replica, frontend, NATS and etcd stop in order; every node is as before."""
    reports = (*shutdown.workers, shutdown.services)

    assert [str(report) for report in reports if not report.orderly] == []
    shutdown.check_nothing_left()
