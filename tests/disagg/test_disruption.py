"""The only prefill worker dies, the frontend restarts: what clients see, and that it passes."""

import pytest

from fixtures.serving import Chat
from harness.dynamo.deployment import Deployment
from harness.dynamo.outage import Outage
from harness.dynamo.scaling import LEASE_MARGIN_S
from harness.run import QualificationRun
from harness.serving.judgement import Judging
from harness.topology import Role

pytestmark = [
    pytest.mark.disagg,
    pytest.mark.topology("disagg-small"),
    pytest.mark.lifecycle("disrupt"),
]


def test_requests_fail_for_at_most_the_lease_of_the_only_prefill_worker(
    deployment: Deployment, outage: Outage
) -> None:
    """After its death errors other than a clear refusal come until its lease is over (#732)."""
    assert outage.unclear_s <= deployment.lease_ttl_s + LEASE_MARGIN_S, outage.words


def test_instance_of_the_dead_prefill_worker_goes(outage: Outage) -> None:
    """Slurm tells of the death, and discovery forgets the instance when its lease ends."""
    assert outage.killed.noticed_s is not None
    assert outage.killed.unregistered_s is not None


def test_decode_without_prefill_refuses_clearly(
    deployment: Deployment, outage: Outage, judge: Judging
) -> None:
    """Once the lease is over a request gets 503 and a reason, not a silent aggregated answer."""
    assert not judge.refusal(outage.refused, status=(deployment.status_alone(Role.DECODE),))


def test_no_request_was_answered_without_prefill(outage: Outage) -> None:
    """While there is no prefill worker nothing is answered as if there were one (#6957)."""
    assert outage.answered_without_prefill == []


def test_a_new_prefill_worker_brings_full_service_back(outage: Outage) -> None:
    """With a new prefill worker on the same nodes every request of the load succeeds again."""
    assert outage.answered_after > 0
    assert not outage.failed_after, outage.words


def test_restarted_frontend_serves_the_live_workers_again(
    run: QualificationRun,
    deployment: Deployment,
    restarted_s: float,
    chat: Chat,
    judge: Judging,
) -> None:
    """A frontend that comes back finds model and workers in discovery (dynamo #4904)."""
    record = chat("And again?", max_tokens=8, stream=True)

    assert restarted_s > 0
    assert deployment.frontend.models() == (run.settings.model_name,)
    assert not judge.stream(record)
