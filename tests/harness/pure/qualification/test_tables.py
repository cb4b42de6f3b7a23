"""results.csv and metrics.csv: what is in a row, and what a spreadsheet must not take it for."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from harness.measures import Measure
from harness.qualification.rows import group_of, name_of, rows_of
from harness.qualification.saved import saved_run
from harness.qualification.tables import metrics_csv, results_csv
from tests.harness.pure.qualification.kit import AGG, DISAGG, Run, ended

HANG = "Hang [FAIL]: no answer for 9 s\nlayer: serving\ncause id: cause-3"


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def results(folder: Path, *ends: tuple[str, str]) -> list[dict[str, str]]:
    tests = [ended(test, *end) for test, end in zip((AGG, DISAGG), ends, strict=True)]
    return read(results_csv(rows_of(saved_run(Run(tests).write(folder)))))


def test_a_test_is_one_row_with_its_place_its_promise_and_its_cause(tmp_path: Path) -> None:
    first, second = results(tmp_path, ("FAIL", HANG), ("not run", "it is not there: cause-3: Hang"))

    assert first == {
        "id": AGG.id,
        "topology": "agg",
        "stage": "serve",
        "group": "serving",
        "promise": "A chat is answered.",
        "outcome": "failed",
        "class": "FAIL",
        "seconds": "0.500",
        "cause": "cause-3",
    }
    assert (second["outcome"], second["class"], second["cause"]) == ("not run", "", "cause-3")


def test_without_a_diagnosis_the_line_that_names_the_error_is_the_cause(tmp_path: Path) -> None:
    message = "tests/x.py:3: in test\n    assert not 1\nE   AssertionError: assert not 1"
    first, second = results(tmp_path, ("FAIL", message), ("skipped", "n is not declared"))

    assert first["cause"] == "AssertionError: assert not 1"
    assert second["cause"] == "n is not declared"


def test_what_another_run_said_of_a_test_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    others = {"run_id": "run-b", "failures": {AGG.id: {"class": "FAIL", "message": "of run b"}}}
    run = Run([ended(AGG, "FAIL", "of run a")], verdict=others).write(tmp_path)

    assert [row.reason for row in rows_of(saved_run(run))] == ["of run a"]


def test_no_text_is_taken_for_a_formula(tmp_path: Path) -> None:
    first, _ = results(tmp_path, ("FAIL", '=HYPERLINK("x")'), ("passed", ""))

    assert first["cause"] == '\'=HYPERLINK("x")'


def test_figures_have_their_units_and_limits() -> None:
    [row] = read(metrics_csv([Measure("window", 16.5, "s", limit=15.0, where="agg", note="a, b")]))

    assert row == {
        "where": "agg",
        "name": "window",
        "value": "16.5",
        "unit": "s",
        "limit": "15.0",
        "floor": "",
        "within_limit": "no",
        "note": "a, b",
    }


def test_a_negative_figure_stays_a_number() -> None:
    assert read(metrics_csv([Measure("drift", -0.5, "s")]))[0]["value"] == "-0.5"


def test_ids_are_taken_apart() -> None:
    odd = "tests/agg/test_kv_cache.py::TestA::test_b[x::y]"

    assert (group_of(odd), name_of(odd)) == ("kv cache", "TestA::test_b")
