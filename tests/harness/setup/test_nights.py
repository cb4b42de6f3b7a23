"""The archive of the nightly job: names, what is read back, what is deleted, how a night ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ci.after_night import NO_VERDICT, exit_code_of
from ci.nightly import Job, NotInJob, arguments, begin, dead
from ci.nights import NIGHT_FILE, Night, drop, folder_name, read_nights, to_drop
from ci.own_code import with_own_code

NOW = datetime(2026, 11, 28, 1, 2, 3, tzinfo=timezone.utc)


def night(
    archive: Path, day: int, *, job: str = "", restart: int = 0, exit_code: int | None = 1
) -> Night:
    """Archive the night of a day, which has a job of its own unless one is named."""
    now = datetime(2026, 11, day, restart, tzinfo=timezone.utc)
    job = job or str(100 + day)
    folder = archive / folder_name(now, job=job, restart=restart)
    folder.mkdir(parents=True)
    made = Night(folder, job, restart, ("pytest",), now.timestamp(), exit_code=exit_code)
    made.write()
    return made


def days(nights: Sequence[Night]) -> list[int]:
    return [datetime.fromtimestamp(each.started_at, tz=timezone.utc).day for each in nights]


def test_a_folder_has_time_job_and_restart_in_its_name() -> None:
    assert folder_name(NOW, job="4711", restart=0) == "20261128T010203-4711"
    assert folder_name(NOW, job="4711", restart=2) == "20261128T010203-4711.2"


def test_nights_are_read_back_oldest_first(tmp_path: Path) -> None:
    written = [
        night(tmp_path, 3),
        night(tmp_path, 4, job="9"),
        night(tmp_path, 4, job="9", restart=1),
    ]

    assert read_nights(tmp_path) == written


def test_an_archive_that_is_not_there_yet_has_no_night(tmp_path: Path) -> None:
    assert read_nights(tmp_path / "none") == []


def test_what_is_no_night_is_neither_read_nor_deleted(tmp_path: Path) -> None:
    for name, content in {
        "20261101T000000-7": None,  # a folder that nothing says is ours
        "20261102T000000-8": "{",
        "20261103T000000-9": "[]",
        "notes": json.dumps({"job": "1"}),
    }.items():
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / NIGHT_FILE).write_text(content)
    (tmp_path / "latest").symlink_to("notes")

    assert read_nights(tmp_path) == []


def test_nights_beyond_the_kept_ones_are_deleted_oldest_first(tmp_path: Path) -> None:
    for day in (1, 2, 3, 4):
        night(tmp_path, day)
    old = to_drop(read_nights(tmp_path), 2)
    drop(old)

    assert days(old) == [1, 2]
    assert days(read_nights(tmp_path)) == [3, 4]


def test_a_night_that_cannot_be_deleted_is_told_and_keeps_no_other(tmp_path: Path) -> None:
    gone, old = night(tmp_path, 1), night(tmp_path, 2)
    (gone.folder / NIGHT_FILE).unlink()
    gone.folder.rmdir()

    assert drop([gone, old]) == [f"{gone.folder} cannot be deleted: No such file or directory"]
    assert read_nights(tmp_path) == []


def test_fewer_nights_than_are_kept_all_stay(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        night(tmp_path, day)

    assert to_drop(read_nights(tmp_path), 5) == []


def test_the_link_to_the_newest_night_is_no_night(tmp_path: Path) -> None:
    newest = night(tmp_path, 1)
    (tmp_path / "latest").symlink_to(newest.folder.name)

    assert read_nights(tmp_path) == [newest]


def test_all_starts_of_a_job_are_one_night(tmp_path: Path) -> None:
    for restart in (0, 1, 2):
        night(tmp_path, 5, job="9", restart=restart)
    night(tmp_path, 4)

    assert days(to_drop(read_nights(tmp_path), 1)) == [4]
    assert to_drop(read_nights(tmp_path), 2) == []


def test_the_newest_night_that_passed_is_kept_however_old(tmp_path: Path) -> None:
    for day, code in ((1, 0), (2, 0), (3, 13), (4, 1), (5, 1)):
        night(tmp_path, day, exit_code=code)

    assert days(to_drop(read_nights(tmp_path), 2)) == [1, 3]


def test_a_night_that_goes_on_is_not_deleted(tmp_path: Path) -> None:
    night(tmp_path, 1, exit_code=None)
    night(tmp_path, 2)

    assert to_drop(read_nights(tmp_path), 1) == []


def test_cut_off_are_earlier_starts_of_the_job_and_jobs_that_are_gone(tmp_path: Path) -> None:
    night(tmp_path, 1, job="7", exit_code=None)  # gone
    night(tmp_path, 2, job="8", exit_code=None)  # at work beside us
    night(tmp_path, 3, job="9", exit_code=None)  # our own, before it was requeued
    night(tmp_path, 3, job="9", restart=1, exit_code=None)  # ourselves
    night(tmp_path, 4, job="6")  # gone, and judged
    asked: list[str] = []

    def is_there(job: str) -> bool:
        asked.append(job)
        return job == "8"

    found = dead(read_nights(tmp_path), Job("9", 1, 4), is_there=is_there)

    assert days(found) == [1, 3]
    assert asked == ["7", "8"]


@pytest.mark.parametrize(
    ("verdict", "said_by_pytest", "code"),
    [
        pytest.param(0, 0, 0, id="passed"),
        pytest.param(1, 1, 1, id="failed"),
        pytest.param(11, 11, 11, id="the class's own code"),
        pytest.param(14, None, 14, id="interrupted"),
        pytest.param(13, None, 13, id="interrupted after a failure"),
        pytest.param(0, None, 0, id="asked to stop when all was done"),
        pytest.param(0, 3, 3, id="pytest's own error after a verdict"),
        pytest.param(NO_VERDICT, 4, 4, id="wrong usage"),
        pytest.param(NO_VERDICT, 0, 14, id="no verdict though pytest is content"),
        pytest.param(NO_VERDICT, None, 14, id="stopped before pytest began"),
    ],
)
def test_the_exit_code_is_the_verdict_s(
    verdict: int, said_by_pytest: int | None, code: int
) -> None:
    assert exit_code_of(verdict, said_by_pytest) == code


def test_the_job_is_read_from_slurm_s_variables() -> None:
    variables = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NUM_NODES": "8"}

    assert Job.of(variables) == Job("4711", 0, 8)
    assert Job.of({**variables, "SLURM_RESTART_COUNT": "2"}) == Job("4711", 2, 8)


def test_outside_of_a_job_the_way_into_one_is_told() -> None:
    with pytest.raises(
        NotInJob, match=r"SLURM_JOB_NUM_NODES is not set.*sbatch ci/nightly\.sbatch"
    ):
        Job.of({})


def test_options_win_over_variables_and_these_over_defaults(tmp_path: Path) -> None:
    variables = {"NIGHTLY_KEEP": "7", "NIGHTLY_ARCHIVE": str(tmp_path), "NIGHTLY_MARK": "agg"}

    assert arguments([], {}).keep == 30
    assert arguments([], {}).archive.parts[-2:] == ("runs", "nightly")
    assert arguments([], {"NIGHTLY_KEEP": ""}).keep == 30  # as a pipeline leaves it that has none
    assert arguments([], variables).keep == 7
    told = arguments(["--keep", "3"], variables)
    assert (told.keep, told.archive, told.mark) == (3, tmp_path, "agg")


def test_what_follows_the_dashes_is_pytest_s() -> None:
    variables = {"NIGHTLY_PYTEST": "--site x -k 'a and b'"}

    assert arguments(["--keep", "3", "--", "-k", "a b", "--plan"], variables).words == (
        *("-k", "a b", "--plan"),
    )
    assert arguments([], variables).words == ("--site", "x", "-k", "a and b")


@pytest.mark.parametrize("keep", ["0", "-1", "x"])
def test_a_number_of_nights_that_is_none_is_refused(
    keep: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        arguments([f"--keep={keep}"], {})

    assert f"'{keep}' is not a number of nights (1 or more)" in capsys.readouterr().err


def test_an_archive_that_cannot_be_used_is_config_and_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()

    def begin_there(_argv: list[str]) -> int:
        begin(arguments(["--archive", str(file)], {}), Job("1", 0, 1))
        return 0

    assert with_own_code(begin_there, []) == 12
    assert f"{file}" in capsys.readouterr().err


def test_an_error_of_our_own_is_harness_and_no_fail(capsys: pytest.CaptureFixture[str]) -> None:
    def err(_argv: list[str]) -> int:
        raise KeyError("lost")

    assert with_own_code(err, []) == 15
    assert "KeyError: 'lost'" in capsys.readouterr().err
