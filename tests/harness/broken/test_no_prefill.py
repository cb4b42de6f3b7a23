"""Answers that come without prefill: good text, and the proof of prefill fails."""

import pytest

from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]


def test_aggregated_answer_in_place_of_a_disaggregated_one_is_found(world: World) -> None:
    """With requests routed straight to decode, each test of prefill fails, those of decode pass."""
    ended = world.run_suite(
        "-p",
        "tests.harness.broken.straight_to_decode",
        "-k",
        "disagg-small and routing",
        mark="disagg",
    )

    assert ended.verdict["verdict"] == "FAIL"
    assert ended.failed == [
        "test_every_request_is_served_by_a_worker_of_each_role[disagg-small-prefill]",
        "test_every_replica_of_a_role_serves[disagg-small-prefill]",
    ]
    assert "the answer names nobody known as prefill worker" in ended.output
