"""A real pytest with the suite's own plugins: what it writes beside its verdict."""

from __future__ import annotations

import csv
from pathlib import Path

from harness.qualification.saved import read_saved
from harness.qualification.schema import faults_of
from tests.harness.report.tiny_run import FOUR, ONE, THREE, TWO, run_tiny


def test_a_run_leaves_its_verdict_by_the_schema_and_all_that_follows(tmp_path: Path) -> None:
    done = run_tiny(tmp_path / "tests", "-k", "not three", run_dir=tmp_path / "run")
    with (done.run_dir / "results.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    rules = {rule["name"]: rule for rule in done.read("gate.json")["rules"]}

    assert faults_of(done.read("verdict.json")) == ()
    assert read_saved(done.run_dir).problems == ()
    assert [(row["id"], row["outcome"], row["class"], row["cause"]) for row in rows] == [
        (ONE, "passed", "", ""),
        (TWO, "failed", "FAIL", "AssertionError: assert 3 == 2"),
        (FOUR, "passed", "", ""),
    ]
    assert [test["id"] for test in done.read("selection.json")["left_out"]] == [THREE]
    assert "left out by selection: 1 tests of agg" in rules["promises asked"]["why"]
    assert rules["engine seen"]["holds"] is False
    assert rules["finished"]["holds"] is True
    [line] = [line for line in done.read("matrix.json")["promises"] if "three" in line["test"]]
    assert line["topologies"]["agg"]["state"] == "not selected"


OTHERS = """
import pytest

pytestmark = pytest.mark.agg


@pytest.mark.topology("agg")
def test_skipped():
    pytest.skip("n is not declared")


@pytest.mark.topology("attached")
def test_of_another_server():
    pass
"""


def test_what_was_skipped_is_in_the_verdict_and_what_endpoint_has_was_not_left_out(
    tmp_path: Path,
) -> None:
    others = tmp_path / "tests" / "test_others.py"
    others.parent.mkdir()
    others.write_text(OTHERS, encoding="utf-8")
    done = run_tiny(others.parent, str(others), run_dir=tmp_path / "run")

    assert done.read("verdict.json")["skipped"] == {
        "test_others.py::test_skipped": "n is not declared"
    }
    assert done.read("selection.json")["left_out"] == []
    assert read_saved(done.run_dir).problems == ()


def test_a_terminated_run_says_the_same_in_its_verdict_and_its_journal(tmp_path: Path) -> None:
    done = run_tiny(tmp_path / "tests", way="terminate", place="call", run_dir=tmp_path / "run")

    assert read_saved(done.run_dir).problems == ()
    assert faults_of(done.read("verdict.json")) == ()


def test_nothing_of_an_earlier_run_is_left_in_its_directory(tmp_path: Path) -> None:
    first = run_tiny(tmp_path / "tests", run_dir=tmp_path / "run")
    (first.run_dir / "measures.json").write_text("[]", encoding="utf-8")
    done = run_tiny(tmp_path / "tests", way="kill", place="setup", run_dir=tmp_path / "run")
    left = {"results.csv", "gate.json", "matrix.json", "measures.json", "verdict.json"}

    assert left & {file.name for file in done.run_dir.iterdir()} == set()
