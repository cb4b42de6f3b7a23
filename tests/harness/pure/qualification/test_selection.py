"""What a run was told to leave out, as it is kept and read."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from fixtures.run import ignored_by
from harness.planned import PlannedTest
from harness.qualification.selection import Selection, read_selection


@pytest.mark.parametrize(
    ("collected_from", "covered"),
    [
        ("tests", True),
        (".", True),
        ("tests/agg", True),
        ("tests/agg/test_serving.py", False),
        ("tests/agg/test_serving.py::TestForms", False),
        ("tests/disagg", False),
        ("tests/ag", False),
    ],
)
def test_a_folder_is_covered_by_itself_and_those_above_it(
    collected_from: str, covered: bool
) -> None:
    assert Selection((collected_from,)).covers("tests/agg") is covered


def test_nothing_is_covered_where_something_was_ignored() -> None:
    assert Selection(("tests",), ignored=("tests/agg/test_a.py",)).covers("tests/agg") is False


def test_a_selection_is_read_back_as_it_was_kept(tmp_path: Path) -> None:
    out = PlannedTest("a::b", topology="agg", stage="serve", promise="P.", marks=("agg",))
    kept = Selection(("tests",), ("x",), (out,))
    file = tmp_path / "selection.json"
    file.write_text(json.dumps(kept.as_json()), encoding="utf-8")

    assert read_selection(file) == kept


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"collected_from": 3}', "null"])
def test_what_is_no_selection_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "selection.json"
    file.write_text(text, encoding="utf-8")

    assert read_selection(file) is None


@pytest.mark.parametrize(
    ("options", "ignored"),
    [
        ({}, ()),
        ({"ignore": ["a"], "ignore_glob": ["b*"]}, ("a", "b*")),
        ({"lf": True}, ("--last-failed",)),
        ({"lf": False}, ()),
    ],
)
def test_what_is_passed_over_at_collection_is_noted(
    options: dict[str, object], ignored: tuple[str, ...]
) -> None:
    given = argparse.Namespace(**{"ignore": None, "ignore_glob": None, **options})

    assert ignored_by(given) == ignored
