"""The run directory: ids, whole files, events, and the way to the latest run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.rundir import RunDirectory, new_run_id


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def directory(runs: Path) -> RunDirectory:
    return RunDirectory.create(runs / "one", "one")


@pytest.mark.parametrize(("job", "part"), [("453374", "453374"), ("", "nojob")])
def test_a_run_id_names_time_and_job_and_fits_any_name(job: str, part: str) -> None:
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}-{part}-[0-9a-f]{{4}}", new_run_id(job))


def test_two_runs_of_one_second_have_different_ids() -> None:
    assert len({new_run_id("7") for _ in range(16)}) > 1


def test_the_folder_and_its_parts_exist(directory: RunDirectory) -> None:
    assert (directory.path / "logs").is_dir()
    assert (directory.path / "snapshots").is_dir()
    assert directory.logs("agg") == directory.path / "logs" / "agg"
    assert directory.logs("agg").is_dir()


def test_latest_leads_to_the_newest_run(runs: Path) -> None:
    RunDirectory.create(runs / "one", "one")
    RunDirectory.create(runs / "two", "two")

    assert (runs / "latest").resolve() == runs / "two"
    assert (runs / "latest").readlink() == Path("two")


def test_a_latest_of_somebody_else_is_left_alone(runs: Path) -> None:
    (runs / "latest").mkdir(parents=True)
    (runs / "latest" / "theirs").touch()
    RunDirectory.create(runs / "one", "one")

    assert (runs / "latest" / "theirs").exists()


def test_a_run_into_latest_itself_does_not_make_it_a_loop(directory: RunDirectory) -> None:
    again = RunDirectory.create(directory.path.parent / "latest", "two")

    assert again.path.resolve() == directory.path


def test_json_is_written_whole_and_readable(directory: RunDirectory) -> None:
    written = directory.write_json("snapshots/01-baseline.json", {"at": Path("/a"), "n": [1]})

    assert written == directory.path / "snapshots" / "01-baseline.json"
    assert json.loads(written.read_text()) == {"at": "/a", "n": [1]}


def test_a_later_version_replaces_the_earlier_and_no_draft_stays(directory: RunDirectory) -> None:
    directory.write_text("deep/er/plan.txt", "one")
    directory.write_text("deep/er/plan.txt", "two")

    assert (directory.path / "deep/er/plan.txt").read_text() == "two"
    assert [each.name for each in (directory.path / "deep/er").iterdir()] == ["plan.txt"]


def test_what_cannot_be_written_leaves_the_earlier_version(directory: RunDirectory) -> None:
    directory.write_json("plan.json", 1)
    circle: list[object] = []
    circle.append(circle)

    with pytest.raises(ValueError, match="Circular"):
        directory.write_json("plan.json", circle)
    assert json.loads((directory.path / "plan.json").read_text()) == 1


def test_events_are_appended_with_their_time(directory: RunDirectory) -> None:
    directory.event("step", {"name": "agg-0"})
    directory.event("abandoned")

    lines = (directory.path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [each["event"] for each in events] == ["step", "abandoned"]
    assert events[0]["name"] == "agg-0"
    assert 0 < events[0]["at"] <= events[1]["at"]


def test_what_comes_out_has_its_place(directory: RunDirectory) -> None:
    places = [directory.records, directory.junit, directory.allure_results]

    assert [place.name for place in places] == ["records.jsonl", "junit.xml", "allure-results"]
    assert {place.parent for place in places} == {directory.path}
