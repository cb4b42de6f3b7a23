"""A started step: what it says while it lives, and who is named when it ends.

The srun here is a script; what it says of failures is what a real one said (tests/harness/data).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline, wait_until
from harness.errors import ContainerError, InfraError, QualificationError, SlurmError, StepEnded
from harness.process import CommandMissing
from harness.slurm.client import Slurm
from harness.slurm.step import Step
from harness.slurm.words import StepRow
from tests.harness.pure.step_kit import RUNS, UNTIL_TERM, LocalSlurm, local_slurm


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    with local_slurm(tmp_path) as slurm:
        yield slurm


def death_of(step: Step) -> QualificationError:
    """Watch a step as a waiting deployment does, and return what it is told."""
    with pytest.raises(QualificationError) as told:
        wait_until(lambda: False, Deadline.after(20), watch=step.check_alive)
    return told.value


def test_a_running_step_has_an_id_and_is_alive(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)

    step.check_alive()
    assert step.exit_code is None
    assert step.step_id.startswith("7.")
    assert step.number == step.step_id[2:]
    assert step.where == f"agg-0 (step {step.step_id}, node1)"


def test_the_tasks_words_and_sruns_own_go_to_files_apart(slurm: LocalSlurm) -> None:
    step = slurm.start("agg-0", "echo out; echo err >&2")
    death_of(step)

    assert step.out.read_text() == "0: out\n"
    assert "0: err\n" in step.err.read_text()
    assert "srun: launching" in step.err.read_text()


def test_the_steps_variables_reach_its_tasks(slurm: LocalSlurm) -> None:
    step = slurm.start("agg-0", 'echo "$MODEL_PATH"', MODEL_PATH="org/model; $HOME")
    death_of(step)

    assert step.out.read_text() == "0: org/model; $HOME\n"


def test_srun_is_out_of_reach_of_a_ctrl_c_at_the_terminal(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", f"cut -d' ' -f6 /proc/$$/stat; {RUNS}")
    printed = Deadline.after(20)
    assert wait_until(lambda: step.out.read_text().endswith("\n"), printed)

    assert int(step.out.read_text().removeprefix("0: ")) != os.getsid(0)


@pytest.mark.parametrize(
    ("log", "code", "error", "words"),
    [
        ("rank_killed", 143, StepEnded, "rank 9 on node3: SIGKILL after"),
        ("rank_exits", 143, StepEnded, "rank 9 on node3: exit code 3 after"),
        ("rank_segfaults", 143, StepEnded, "rank 5 on node2: SIGSEGV after"),
        ("ranks_exit_together", 143, StepEnded, "ranks 0, 2, 3 on node1: exit code 1 after"),
        ("mpi_abort", 5, StepEnded, "rank 9 on node3: exit code 5 after"),
        ("leader_gives_up", 143, StepEnded, "rank 9 on node3: SIGKILL (exit code 137) after"),
        ("completed", 0, StepEnded, "ended with exit code 0 after"),
        ("no_image", 1, ContainerError, "pyxis: [ERROR] No such file or directory: /srv/images/"),
        ("time_limit", 143, InfraError, "cancelled DUE TO TIME LIMIT after"),
        ("scancelled", 137, InfraError, "cancelled by scancel after"),
        ("terminated_in_order", 0, InfraError, "cancelled by scancel after"),
        ("too_many_nodes", 1, SlurmError, "Only allocated 4 nodes asked for 9"),
        ("step_refused", 1, SlurmError, "More processors requested than permitted"),
        ("without_pyxis", 255, SlurmError, "unrecognized option '--container-image"),
    ],
)
@pytest.mark.parametrize("pace", [{}, {"SLOWLY": "1"}], ids=["at once", "line by line"])
def test_the_first_cause_of_an_end_is_named(
    slurm: LocalSlurm,
    log: str,
    code: int,
    error: type[QualificationError],
    words: str,
    pace: dict[str, str],
) -> None:
    told = death_of(slurm.replay(log, code, **pace))

    assert type(told) is error
    assert words in str(told)


def test_an_end_says_which_step_where_after_how_long_and_in_which_log(slurm: LocalSlurm) -> None:
    step = slurm.replay("rank_killed", 143)

    text = str(death_of(step))
    assert text.startswith("StepEnded [FAIL]: rank_killed (step 2.2, node1): ")
    assert f" s; log: {step.err}" in text


def test_what_slurm_killed_afterwards_is_not_the_cause(slurm: LocalSlurm) -> None:
    message = str(death_of(slurm.replay("rank_killed", 143))).splitlines()[0]

    assert "SIGTERM" not in message
    assert "node4" not in message


def test_the_last_words_of_a_rank_that_died_are_given(slurm: LocalSlurm) -> None:
    told = death_of(slurm.start("agg-0", "echo 'KeyError: moe_config' >&2; exit 1"))

    assert "last words of rank 0:\n  KeyError: moe_config" in str(told)


def test_a_step_that_ends_is_dead_whatever_its_code(slurm: LocalSlurm) -> None:
    told = death_of(slurm.start("agg-0", "exit 0"))

    assert isinstance(told, StepEnded)
    assert "ended with exit code 0" in str(told)


def test_an_end_before_the_launch_beats_the_wait_for_it(slurm: LocalSlurm) -> None:
    step = slurm.replay("step_refused", 1)

    with pytest.raises(SlurmError, match="before it launched a task"):
        step.wait_launched(Deadline.after(20))


def test_a_step_that_waits_for_nodes_is_said_to(slurm: LocalSlurm) -> None:
    step = slurm.start("agg-0", "true", QUEUED="1")
    assert wait_until(lambda: "queued" in step.err.read_text(), Deadline.after(20))

    with pytest.raises(InfraError) as late:
        step.wait_launched(Deadline.after(0.1))
    assert "agg-0 (step not launched, node1) on 0 of 1 nodes" in str(late.value)
    assert "queued and waiting for resources" in str(late.value)
    assert "sinfo -R" in late.value.hint


def test_an_srun_that_does_not_end_is_killed_by_its_handle(slurm: LocalSlurm) -> None:
    step = slurm.start("agg-0", "true", QUEUED="1")

    step.end_srun(timeout_s=0.1)
    assert step.exit_code == -9


def test_a_step_that_overruns_is_cancelled_and_named(slurm: LocalSlurm) -> None:
    spec = slurm.spec("probe", UNTIL_TERM, READY="/dev/null")

    with pytest.raises(
        SlurmError, match=r"step probe did not end, no word came from node1: .* within 1 s"
    ):
        slurm.client.run_step(spec, timeout_s=1.0)
    assert wait_until(lambda: not slurm.client.steps(), Deadline.after(20))


def test_a_short_step_gives_its_output(slurm: LocalSlurm) -> None:
    done = slurm.client.run_step(slurm.spec("probe", "cat; exit 3"), timeout_s=20, stdin="asked\n")

    assert (done.returncode, done.stdout) == (3, "0: asked\n")


def test_running_steps_are_listed_by_slurm(slurm: LocalSlurm) -> None:
    step = slurm.launch("agg-0", UNTIL_TERM)

    assert slurm.client.steps() == [
        StepRow(step.step_id, "agg-0", ("node1",), "tester", "2026-11-23T22:50:59")
    ]


def test_without_slurm_the_missing_program_is_named(tmp_path: Path) -> None:
    nowhere = Slurm("7", {"PATH": str(tmp_path)})

    with pytest.raises(CommandMissing, match="`squeue` is not on PATH") as missing:
        nowhere.steps()
    assert "inside an allocation" in missing.value.hint
