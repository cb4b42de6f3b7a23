"""Stopping steps: asked first, killed last, and reported on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.dynamo.stop import (
    StopReport,
    kill_steps,
    never_registered,
    stages_of,
    stop_steps,
)
from harness.errors import SlurmError
from harness.logs import parse_line
from harness.slurm.step import Step
from harness.slurm.words import TaskEnd
from tests.harness.pure.step_kit import DEAF, RUNS, UNTIL_TERM, LocalSlurm, local_slurm


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


def stop(slurm: LocalSlurm, *steps: Step, budget_s: float = 20.0) -> list[StopReport]:
    pairs = [(step, never_registered) for step in steps]
    return stop_steps(slurm.client, pairs, budget_s=budget_s)


def test_a_step_that_ends_when_asked_to_stopped_in_order(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)

    [report] = stop(slurm, step)

    assert report.orderly
    assert (report.exit_code, report.escalated, report.task_ends) == (0, False, ())
    assert report.ended_s is not None
    assert report.gone_from_slurm
    assert str(report).endswith("after TERM with exit code 0")


def test_a_step_that_does_not_hear_is_killed_and_that_is_no_order(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", DEAF)

    [report] = stop(slurm, step, budget_s=0.5)

    assert not report.orderly
    assert (report.exit_code, report.escalated, report.ended_s) == (137, True, None)
    assert report.gone_from_slurm
    assert "did not end by itself, then with exit code 137" in str(report)
    assert "only when killed, its budget of 0 s was over" in str(report)
    assert "rank 0 on node1: SIGKILL" in str(report)


@pytest.mark.parametrize(
    ("exit_code", "escalated", "ends", "orderly"),
    [
        (0, False, (), True),
        (1, False, (), False),
        (None, False, (), False),
        (0, True, (), False),
        (0, False, (TaskEnd("node1", (0,), None, "SIGTERM", ""),), False),
    ],
    ids=["in order", "exit code", "no exit code", "killed", "a task that did not end with 0"],
)
def test_each_fact_alone_breaks_the_order(
    exit_code: int | None, escalated: bool, ends: tuple[TaskEnd, ...], orderly: bool
) -> None:
    report = StopReport(
        name="agg-0",
        step_id="7.1",
        exit_code=exit_code,
        task_ends=ends,
        budget_s=120.0,
        unregistered_s=0.1,
        ended_s=5.0,
        escalated=escalated,
        gone_from_slurm=True,
    )

    assert report.orderly is orderly


def test_a_wrong_exit_code_is_no_order(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", f"trap 'exit 3' TERM; {RUNS}")

    [report] = stop(slurm, step)

    assert not report.orderly
    assert not report.escalated
    assert "rank 0 on node1: exit code 3" in str(report)


def test_steps_are_asked_together(slurm: LocalSlurm, tmp_path: Path) -> None:
    def waits_for(other: str) -> str:
        own, others = '"$READY.asked"', f"{tmp_path}/{other}.ready.asked"
        drain = f": >{own}; until [ -e {others} ]; do sleep 0.02; done; exit 0"
        return f"trap '{drain}' TERM; {RUNS}"

    first = slurm.launch("agg-0", waits_for("agg-1"))
    second = slurm.launch("agg-1", waits_for("agg-0"))

    assert [report.orderly for report in stop(slurm, first, second)] == [True, True]


def test_one_deaf_step_does_not_hide_that_the_other_stopped_in_order(slurm: LocalSlurm) -> None:
    deaf, good = slurm.launch("agg-0", DEAF), slurm.launch("agg-1", UNTIL_TERM)

    reports = stop(slurm, deaf, good, budget_s=1.0)

    assert [(report.name, report.orderly) for report in reports] == [
        ("agg-0", False),
        ("agg-1", True),
    ]


def test_a_step_that_had_already_ended_is_reported_as_it_is(slurm: LocalSlurm) -> None:
    step = slurm.start("agg-0", "exit 4")
    assert wait_until(lambda: step.exit_code is not None, Deadline.after(20))

    [report] = stop(slurm, step)

    assert (report.exit_code, report.escalated, report.gone_from_slurm) == (4, False, True)
    assert not report.orderly


def test_the_moment_of_unregistering_is_noted_before_that_of_the_end(
    slurm: LocalSlurm, tmp_path: Path
) -> None:
    key = tmp_path / "instance"
    key.touch()
    drain = f"rm {key}; until [ -e {tmp_path}/seen ]; do sleep 0.02; done; exit 0"
    step = slurm.launch("agg-0", f"trap '{drain}' TERM; {RUNS}")

    def registered() -> bool:
        if not key.exists():
            (tmp_path / "seen").touch()
        return key.exists()

    [report] = stop_steps(slurm.client, [(step, registered)], budget_s=20)

    assert report.orderly
    assert report.unregistered_s is not None
    assert report.ended_s is not None
    assert report.unregistered_s < report.ended_s


def test_an_instance_that_stays_is_said_to(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)

    [report] = stop_steps(slurm.client, [(step, lambda: True)], budget_s=20)

    assert report.unregistered_s is None


def test_killed_steps_are_gone(slurm: LocalSlurm) -> None:
    steps = [slurm.launch("agg-0", DEAF), slurm.launch("agg-1", UNTIL_TERM)]

    kill_steps(slurm.client, steps)

    assert [step.exit_code for step in steps] == [137, 137]
    assert slurm.client.steps() == []


def test_only_the_steps_given_are_killed(slurm: LocalSlurm) -> None:
    killed, other = slurm.launch("agg-0", DEAF), slurm.launch("agg-1", UNTIL_TERM)

    kill_steps(slurm.client, [killed])

    other.check_alive()
    assert [row.name for row in slurm.client.steps()] == ["agg-1"]


def test_a_step_that_just_ended_may_be_signalled(slurm: LocalSlurm) -> None:
    step = slurm.start("agg-0", "true")
    assert wait_until(lambda: step.exit_code is not None, Deadline.after(20))

    slurm.client.signal(step.step_id, "TERM")


def test_a_controller_that_is_gone_is_named(slurm: LocalSlurm, tmp_path: Path) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)
    (tmp_path / "unreachable").touch()

    with pytest.raises(SlurmError, match="Unable to contact slurm controller"):
        slurm.client.signal(step.step_id, "TERM")
    (tmp_path / "unreachable").unlink()


def test_waiting_for_a_step_to_be_gone_has_an_end(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)

    assert not slurm.client.wait_gone(step.step_id, Deadline.after(0.3))
    stop(slurm, step)
    assert slurm.client.wait_gone(step.step_id, Deadline.after(20))


STAGES_LOG = """\
0: INFO graceful_shutdown: Signal handlers set up for graceful shutdown (discovery unregister)
0: INFO graceful_shutdown: Received shutdown signal; unregistering endpoints from discovery
0: INFO main: All in-flight requests drained
0: INFO graceful_shutdown: Drain complete
0: INFO dynamo_runtime::runtime: Runtime shutdown initiated
12: WARNING:root:worker rank12 quited
3: WARNING:root:worker rank3 quited
"""


def told(log: str) -> tuple[str, ...]:
    return stages_of(parse_line(at, line) for at, line in enumerate(log.splitlines(), start=1))


def stopped(*stages: str) -> StopReport:
    return StopReport("agg-0", "7.1", 0, (), 120, 0.1, 6.0, False, True, stages)  # noqa: FBT003


def test_the_stages_of_a_stop_are_read_from_the_workers_own_words() -> None:
    assert told(STAGES_LOG) == ("unregistered", "drained", "runtime ended", "ranks ended")
    assert stopped(*told(STAGES_LOG)).in_order


def test_ranks_that_end_before_the_drain_are_out_of_order() -> None:
    lines = STAGES_LOG.splitlines()
    early = "\n".join([lines[-1], *lines[:-1]])

    assert not stopped(*told(early)).in_order


def test_a_release_that_says_less_is_in_order_too() -> None:
    assert stopped("unregistered", "ranks ended").in_order
    assert stopped().in_order
