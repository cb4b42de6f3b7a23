"""Registration of prefill and decode workers."""

import pytest

from harness.dynamo.deployment import Deployment
from harness.serving.judgement import Judging
from harness.topology import Role
from tests.promises.registration import RegistrationPromises


@pytest.mark.disagg
@pytest.mark.topology("disagg", "disagg-small", "disagg-scaled", "disagg-mixed")
class TestRegistration(RegistrationPromises):
    """Claimed for each worker of every disaggregated topology."""

    def test_prefill_and_decode_register_under_components_of_their_own(
        self, deployment: Deployment
    ) -> None:
        """A frontend tells the roles apart by component: each role has its own, and fills it."""
        found = {
            role: [each for each in deployment.instances() if each.component == component]
            for role in (Role.PREFILL, Role.DECODE)
            for component in [deployment.component(role)]
        }

        assert {role: len(each) for role, each in found.items()} == {
            role: len(deployment.workers_of(role)) for role in found
        }


@pytest.mark.disagg
@pytest.mark.topology("disagg-small", "disagg-scaled")
@pytest.mark.lifecycle("register")
class TestOneRoleAlone:
    """Before the other role came: the roles of these topologies are started in turn."""

    def test_no_role_alone_makes_the_model_servable(self, deployment: Deployment) -> None:
        """With one role ready /v1/models lists nothing (dynamo #5481, #6957)."""
        listed = {interim.roles: interim.models for interim in deployment.interims}

        assert listed
        assert set(listed.values()) == {()}

    def test_request_to_one_role_alone_is_refused(
        self, deployment: Deployment, judge: Judging
    ) -> None:
        """With one role ready a request gets the release's own refusal, and no silent answer."""
        [interim] = deployment.interims
        [role] = interim.roles

        assert [record for record in interim.records if record.status == 200] == []
        assert not judge.refusal(
            interim.records[-1], status=(deployment.status_alone(role),), reason=role is Role.DECODE
        )
