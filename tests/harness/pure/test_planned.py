"""The plan of the tests, as it is kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.planned import PlannedTest, plain, read_planned

TEST = PlannedTest(
    "tests/agg/test_a.py::TestA::test_b[1-x]",
    topology="agg",
    stage="serve",
    promise="B is promised.",
    marks=("agg",),
    parameters={"move": 1, "name": "x", "none": None},
)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "tests.json").write_text(json.dumps([asdict(TEST)]), encoding="utf-8")

    assert read_planned(tmp_path / "tests.json") == [TEST]


def test_the_older_list_of_ids_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "tests.json").write_text('["a::b", "a::c"]', encoding="utf-8")

    assert read_planned(tmp_path / "tests.json") == [PlannedTest("a::b"), PlannedTest("a::c")]


@pytest.mark.parametrize("content", [None, "", "[", "7", '[{"topology": "agg"}]', "[7]"])
def test_what_is_no_plan_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tests.json").write_text(content, encoding="utf-8")

    assert read_planned(tmp_path / "tests.json") is None


@pytest.mark.parametrize(
    ("value", "kept"), [("a", "a"), (2, 2), (None, None), (True, True), ((1, 2), "(1, 2)")]
)
def test_parameters_that_json_does_not_know_become_text(value: object, kept: object) -> None:
    assert plain(value) == kept
