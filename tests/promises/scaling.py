"""Replicas come and go under a steady stream of requests: up, down by TERM, down by a kill."""

from __future__ import annotations

import pytest

from fixtures.serving import Needs
from harness.dynamo.deployment import Deployment
from harness.dynamo.moves import Way
from harness.dynamo.scaling import LEASE_MARGIN_S, Moved, Scaling
from harness.features import Feature
from harness.run import QualificationRun
from harness.serving.endpoint import Endpoint
from harness.serving.judgement import Judging
from harness.serving.request import ChatRequest
from harness.serving.workers import worker_ids
from harness.topology import Role

SEED = 20261125
ASKED = 4
"""Requests for each replica: round robin beside a steady load does not count them out."""


@pytest.mark.lifecycle("scale")
class ScalingPromises:
    """What holds of each move of a topology that is scaled, and of all of them together."""

    def test_every_replica_is_seen_serving(self, moved: Moved) -> None:
        """After each move every live replica of every role answers requests of the load."""
        assert moved.served == moved.expected

    @pytest.mark.ways(Way.UP)
    def test_every_replica_gives_the_same_answer(
        self,
        needs: Needs,
        moved: Moved,
        deployment: Deployment,
        *,
        endpoint: Endpoint,
        judge: Judging,
    ) -> None:
        """At temperature 0 with equal prompt and seed the answers of all replicas agree."""
        needs(Feature.EQUAL_ANSWERS)
        request = ChatRequest.ask(
            endpoint.served.model, "Who are you?", max_tokens=24, temperature=0.0, seed=SEED
        ).naming_workers()
        records = endpoint.ask_together([request] * ASKED * len(moved.expected))
        answered = {worker_ids(record).decode for record in records}
        if answered == {None}:
            pytest.skip("this release names no workers in its answers")
        last = [each for each in deployment.workers if each.placement.role is not Role.PREFILL]

        assert not judge.unary(*records)
        assert not judge.same(*records)
        assert len(answered) == len(last), f"{answered} answered, of {len(last)} replicas"

    @pytest.mark.ways(Way.UP, Way.TERM)
    def test_no_request_fails_while_scaling_in_order(self, moved: Moved) -> None:
        """No request in flight while a replica joins, or leaves on TERM, is lost or broken."""
        assert not moved.during.failed, moved.during.describe_failures()

    @pytest.mark.ways(Way.TERM)
    def test_removed_replicas_stopped_in_order(self, moved: Moved) -> None:
        """A replica that is taken away ends with 0 on every rank, and its instance goes first."""
        disorderly = [each for each in moved.stopped if not (each.orderly and each.left_first)]

        assert [str(report) for report in disorderly] == []

    @pytest.mark.ways(Way.TERM, Way.KILL)
    def test_removed_replicas_left_nothing(self, run: QualificationRun, moved: Moved) -> None:
        """Nodes without a replica are as before the run, while the others serve on."""
        run.check_nodes_clean(moved.idle_nodes)

    @pytest.mark.ways(Way.KILL)
    def test_errors_end_with_the_lease_of_a_killed_replica(
        self, deployment: Deployment, moved: Moved
    ) -> None:
        """Requests may fail until a dead worker's lease is over, and none after that (#732)."""
        limit_s = deployment.lease_ttl_s + LEASE_MARGIN_S
        windows = {each.name: moved.facts.window_s(each.at_s) for each in moved.killed}

        assert {name: s for name, s in windows.items() if s > limit_s} == {}, str(moved.killed)

    @pytest.mark.ways(Way.KILL)
    def test_instance_of_a_killed_replica_goes(self, moved: Moved) -> None:
        """Slurm tells of the death, and discovery forgets the instance when its lease ends."""
        unnoticed = [
            str(each)
            for each in moved.killed
            if each.noticed_s is None or each.unregistered_s is None
        ]

        assert unnoticed == []

    def test_requests_failed_only_for_a_kill(self, scaling: Scaling) -> None:
        """Of the whole steady load, only what was in flight around a kill may have failed."""
        facts = scaling.without_a_kill(scaling.stop())

        assert facts.sent > 0
        assert not facts.failed, facts.describe_failures()
