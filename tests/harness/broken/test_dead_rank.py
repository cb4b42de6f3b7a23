"""A rank that dies is named, with node and signal, at whatever moment it dies."""

import pytest

from tests.harness.broken.world import World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]


def test_rank_killed_while_loading_fails_the_deployment_at_once(world: World) -> None:
    """SIGKILL to rank 9 during load: one failure within 5 s, which says rank 9, node3, SIGKILL."""
    run = world.start_suite("-k", "registration", EMULATED_TRTLLM_LOAD_S="60")
    run.wait_for_log("logs/agg/agg-0.err.log", "rank9 run mgmn worker node")
    run.wait_for_log("logs/agg/agg-0.*.log", "Loading weights")
    with world.broken_by("rank-killed-loading") as killed_at:
        ended = run.end()

    assert ended.verdict["verdict"] == "FAIL"
    assert ended.failed == ["test_deployment_becomes_ready[agg]"]
    assert "rank 9 on node3: SIGKILL" in ended.output
    assert ended.verdict["counts"]["not_run"] > 0
    assert run.time_of("abandoned") - killed_at < 5


def test_rank_killed_while_serving_is_the_cause_of_what_fails(world: World) -> None:
    """SIGKILL to rank 9 under requests: the first failing test names it, the rest did not run."""
    run = world.start_suite("-k", "streaming or registration")
    run.wait_for_event("workers ready")
    with world.broken_by("rank-killed-loading"):
        ended = run.end()

    assert ended.verdict["verdict"] == "FAIL"
    assert len(ended.failed) == 1
    assert "rank 9 on node3: SIGKILL" in ended.output
    assert ended.verdict["counts"]["not_run"] > 0
