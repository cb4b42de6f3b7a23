"""A rank that dies is named, with node and signal, at whatever moment it dies."""

import json

import pytest

from tests.harness.broken.world import SuiteRun, World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]


def _job(run: SuiteRun) -> str:
    plan = json.loads((run.run_dir / "plan.json").read_text(encoding="utf-8"))
    [argument] = [a for a in plan["deployments"][0]["steps"][0]["argv"] if a.startswith("--jobid=")]
    return str(argument.removeprefix("--jobid="))


def test_rank_killed_while_loading_fails_the_deployment_at_once(world: World) -> None:
    """SIGKILL to rank 9 during load: one failure within 5 s, which says rank 9, node3, SIGKILL."""
    run = world.start_suite("-k", "registration", EMULATED_TRTLLM_LOAD_S="60")
    run.wait_for_log("logs/agg/agg-0.err.log", "rank9 run mgmn worker node")
    run.wait_for_log("logs/agg/agg-0.*.log", "Loading weights")
    killed_at = world.kill_rank("node3", 9, job=_job(run))
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
    world.kill_rank("node3", 9, job=_job(run))
    ended = run.end()

    assert ended.verdict["verdict"] == "FAIL"
    assert len(ended.failed) == 1
    assert "rank 9 on node3: SIGKILL" in ended.output
    assert ended.verdict["counts"]["not_run"] > 0
