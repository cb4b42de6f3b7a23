"""Prefill happens on prefill workers, decode on decode workers, and every replica does its part."""

import pytest

from fixtures.serving import SendBatch
from harness.dynamo.deployment import Deployment
from harness.serving.judgement import Judging
from harness.topology import Role

ROLES = [Role.PREFILL, Role.DECODE]

pytestmark = [
    pytest.mark.disagg,
    pytest.mark.topology("disagg", "disagg-small", "disagg-scaled", "disagg-mixed"),
    pytest.mark.lifecycle("serve"),
]


@pytest.mark.parametrize("role", ROLES)
def test_every_request_is_served_by_a_worker_of_each_role(
    send_batch: SendBatch, judge: Judging, role: Role
) -> None:
    """No answer of a batch comes without prefill, or without decode (dynamo #6957, #7379)."""
    routes = send_batch(12)

    assert not judge.stream(*routes.records)
    assert routes.proved
    assert routes.strays(role) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_replica_of_a_role_serves(
    deployment: Deployment, send_batch: SendBatch, role: Role
) -> None:
    """A batch reaches each replica of a role: none is registered and idle."""
    replicas = {worker.name for worker in deployment.workers_of(role)}
    routes = send_batch(12)

    assert replicas
    assert routes.serving(role) == replicas
