"""What Slurm prints, as values. The lines are those of a real Slurm (tests/harness/data/slurm)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.logs import read_lines
from harness.slurm.words import (
    JobRow,
    Launched,
    StepRow,
    TaskEnd,
    describe_ends,
    fault_words,
    own_ends,
    parse_cancelled,
    parse_config_seconds,
    parse_job,
    parse_launched,
    parse_pyxis,
    parse_shell_death,
    parse_steps,
    parse_task_end,
)

SAID = Path(__file__).parent.parent / "data" / "slurm"
RANKS = st.sets(st.integers(0, 143), min_size=1)


def texts(name: str) -> list[str]:
    return [line.text for line in read_lines(SAID / f"{name}.err")]


def ends(name: str) -> list[TaskEnd]:
    return [end for text in texts(name) if (end := parse_task_end(text))]


def folded(ranks: set[int]) -> str:
    """Return ranks as Slurm prints them: ``0,2-3``."""
    parts: list[list[int]] = []
    for rank in sorted(ranks):
        if parts and parts[-1][-1] == rank - 1:
            parts[-1].append(rank)
        else:
            parts.append([rank])
    return ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def test_the_placement_of_every_rank_is_read() -> None:
    launched = [each for text in texts("completed") if (each := parse_launched(text))]

    assert launched == [
        Launched("2.0", f"node{number}", tuple(range(4 * number - 4, 4 * number)))
        for number in (1, 2, 3, 4)
    ]


def test_a_single_task_stands_without_brackets() -> None:
    line = "srun: launching StepId=453374.17 on host node1, 1 tasks: 0"

    assert parse_launched(line) == Launched("453374.17", "node1", (0,))


@given(RANKS)
def test_any_set_of_ranks_is_read(ranks: set[int]) -> None:
    end = parse_task_end(f"srun: error: node3: tasks {folded(ranks)}: Killed")

    assert end is not None
    assert set(end.ranks) == ranks


def test_tasks_that_ended_with_zero_are_no_bad_ends() -> None:
    assert ends("completed") == []


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("rank_exits", "rank 9 on node3: exit code 3"),
        ("rank_killed", "rank 9 on node3: SIGKILL"),
        ("rank_segfaults", "rank 5 on node2: SIGSEGV"),
        ("ranks_exit_together", "ranks 0, 2, 3 on node1: exit code 1"),
        ("no_program", "ranks 0, 1 on node1: exit code 2"),
    ],
)
def test_the_first_end_says_rank_node_and_how(log: str, words: str) -> None:
    assert describe_ends(ends(log)[:1]) == words


@pytest.mark.parametrize(
    ("how", "code", "signal"),
    [
        ("Exited with exit code 1", 1, ""),
        ("Exited with exit code 137", 137, "SIGKILL"),
        ("Exited with exit code 255", 255, ""),
        ("Segmentation fault (core dumped)", None, "SIGSEGV"),
        ("Bus error", None, "SIGBUS"),
        ("Aborted (core dumped)", None, "SIGABRT"),
        ("Out Of Memory", None, "Out Of Memory"),
    ],
)
def test_exit_codes_and_signals_have_their_names(how: str, code: int | None, signal: str) -> None:
    end = parse_task_end(f"srun: error: gb200-r1: task 9: {how}")

    assert end is not None
    assert (end.exit_code, end.signal) == (code, signal)


def test_several_ends_are_one_phrase() -> None:
    assert describe_ends(ends("ranks_exit_together")[:2]) == (
        "ranks 0, 2, 3 on node1: exit code 1; rank 1 on node1: SIGTERM"
    )


def test_a_code_above_128_is_given_with_the_signal_it_stands_for() -> None:
    end = parse_task_end("srun: error: node3: task 9: Exited with exit code 137")

    assert end is not None
    assert describe_ends([end]) == "rank 9 on node3: SIGKILL (exit code 137)"


@pytest.mark.parametrize(
    ("log", "left"), [("rank_killed", 0), ("mpi_abort", 1), ("rank_exits", 1), ("scancelled", 0)]
)
def test_what_slurm_killed_is_told_from_what_ended_by_itself(log: str, left: int) -> None:
    assert len(own_ends(ends(log))) == left


@pytest.mark.parametrize(
    ("log", "why"), [("scancelled", ""), ("time_limit", "DUE TO TIME LIMIT"), ("mpi_abort", "")]
)
def test_a_cancelled_step_says_why(log: str, why: str) -> None:
    assert [said for text in texts(log) if (said := parse_cancelled(text)) is not None] == [why]


def test_a_lost_node_is_a_reason() -> None:
    line = (
        "slurmstepd: error: *** STEP 453374.18 ON node1 CANCELLED AT 2026-11-23T22:50:59"
        " DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***"
    )

    assert parse_cancelled(line) == "DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS"


def test_pyxis_is_heard() -> None:
    said = [words for text in texts("no_image") if (words := parse_pyxis(text))]

    assert said[0] == "[ERROR] No such file or directory: /srv/images/none.sqsh"


@pytest.mark.parametrize("log", ["completed", "too_many_nodes", "without_pyxis", "step_refused"])
def test_nothing_is_read_into_other_words(log: str) -> None:
    parsers = (parse_task_end, parse_cancelled, parse_pyxis)

    assert not [text for text in texts(log) for parse in parsers if parse(text) is not None]


def test_the_products_own_words_are_not_taken_for_slurms() -> None:
    line = "error: node3: connection to task 9: reset by peer"

    assert parse_task_end(line) is None
    assert parse_launched("launching StepId=2.0 of our own") is None


def test_steps_are_listed_with_name_and_nodes() -> None:
    listed = "2.7|agg|node[1-2]\n2.interactive|interactive|node1\n2.extern|a|b|node[1,3]\n\n"

    assert parse_steps(listed) == [
        StepRow("2.7", "agg", ("node1", "node2")),
        StepRow("2.interactive", "interactive", ("node1",)),
        StepRow("2.extern", "a|b", ("node1", "node3")),
    ]


def test_a_step_is_listed_with_its_user_and_since_when() -> None:
    listed = (
        "2.0|node2|root|2026-11-25T14:11:39|a|b|c\n"
        "2.interactive|node[1,3]|alice|2026-11-25T14:11:39|interactive\n"
        "2.1||root|N/A|ctx-0\n"
    )

    assert parse_steps(listed) == [
        StepRow("2.0", "a|b|c", ("node2",), "root", "2026-11-25T14:11:39"),
        StepRow("2.interactive", "interactive", ("node1", "node3"), "alice", "2026-11-25T14:11:39"),
        StepRow("2.1", "ctx-0", (), "root", "N/A"),
    ]


def test_the_number_of_a_step_stands_behind_its_job() -> None:
    rows = parse_steps("453374.18|agg|node1\n7+1.0|het|node1\n2.batch|batch|node1\n")

    assert [row.number for row in rows] == ["18", "0", "batch"]


def test_a_job_without_steps_has_none() -> None:
    assert parse_steps("") == []


CONFIG = """\
KillOnBadExit           = 0
KillWait                = 30 sec
SlurmdTimeout           = 300 sec
UnkillableStepTimeout   = 60 sec
"""


@pytest.mark.parametrize(
    ("key", "seconds"), [("KillWait", 30), ("UnkillableStepTimeout", 60), ("Kill", None)]
)
def test_times_of_the_configuration_are_read(key: str, seconds: int | None) -> None:
    assert parse_config_seconds(CONFIG, key) == seconds


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("launch: line 40:    63 Killed                  python3 -m worker", "SIGKILL"),
        ("launch: line 61:   227 Segmentation fault      python3 -m leader", "SIGSEGV"),
        ("launch: line 61:   227 Aborted                 (core dumped) python3 -m x", "SIGABRT"),
        ("launch: line 61:   227 Terminated              python3 -m leader", None),
        ("script: line 31: /tmp/worker/stop: No such file or directory", None),
    ],
)
def test_a_shell_tells_what_its_process_died_of(line: str, name: str | None) -> None:
    assert parse_shell_death(line) == name


JOB = (
    "JobId=7 JobName=qualify UserId=alice(1000) JobState={state} Reason={reason} Dependency=(null) "
    "RunTime=00:05:00 StartTime=2026-11-28T18:00:00 EndTime=2026-11-28T18:52:53 Deadline=N/A "
    "NodeList=node[1-4] BatchHost=node1 Command=(null)"
)


@pytest.mark.parametrize(
    ("state", "over"),
    [
        ("RUNNING", False),
        ("CONFIGURING", False),
        ("SUSPENDED", False),
        ("RESIZING", False),
        ("COMPLETING", True),
        ("CANCELLED", True),
        ("TIMEOUT", True),
        ("NODE_FAIL", True),
    ],
)
def test_a_job_is_over_once_it_ends(state: str, over: bool) -> None:
    job = parse_job(JOB.format(state=state, reason="None"))

    assert job is not None
    assert job.over is over


def test_a_job_has_its_reason_and_its_end() -> None:
    assert parse_job(JOB.format(state="TIMEOUT", reason="TimeLimit")) == JobRow(
        "7", "TIMEOUT", "TimeLimit", "2026-11-28T18:52:53"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "slurm_load_jobs error: Invalid job id specified",
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "JobId=7 JobName=qualify",
    ],
)
def test_what_is_no_job_is_none(text: str) -> None:
    assert parse_job(text) is None


UNANSWERED = """
srun: defined options
srun: nodelist            : node[1-4]
srun: launching StepId=1.0 on host node3, 1 tasks: 2
srun: error: slurm_receive_msgs: [[node3]:6818] failed: Socket timed out on send/recv operation
srun: error: Application launch failed: Socket timed out on send/recv operation
0: slurmstepd-node1: error: *** STEP 1.0 ON node1 CANCELLED AT 2026-11-25T16:17:47 ***
"""


def test_words_of_a_fault_begin_with_the_node_that_did_not_answer() -> None:
    said = fault_words(UNANSWERED).splitlines()

    assert said[0].startswith("srun: error: slurm_receive_msgs: [[node3]:6818] failed")
    assert said[-1].startswith("0: slurmstepd-node1: error: *** STEP 1.0")
    assert len(said) == 3


def test_words_of_a_fault_are_cut() -> None:
    assert fault_words("srun: fatal: " + "x" * 100, limit=20) == "srun: fatal: xxxxxxx"
