"""The matrix of promises and topologies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.planned import PlannedTest
from harness.qualification.matrix import Matrix, matrix_of
from harness.qualification.rows import rows_of
from harness.qualification.saved import saved_run
from tests.harness.pure.qualification.kit import AGG, DISAGG, Run, T, ended

OTHER = replace(AGG, id=AGG.id.replace("[a-stream]", "[a-unary]"))


def matrix(folder: Path, tests: Sequence[T], known: Sequence[str] = ()) -> Matrix:
    return matrix_of(rows_of(saved_run(Run(tests).write(folder))), known=known)


def test_one_promise_on_two_topologies_is_one_line(tmp_path: Path) -> None:
    found = matrix(tmp_path, [DISAGG, AGG])

    assert found.topologies == ("agg", "disagg")
    assert [(line.group, line.name) for line in found.lines] == [
        ("serving", "TestForms::test_chat")
    ]
    assert {name: str(cell) for name, cell in found.lines[0].cells.items()} == {
        "agg": "passed",
        "disagg": "passed",
    }


def test_the_worst_variant_names_the_cell_and_says_why(tmp_path: Path) -> None:
    [line] = matrix(tmp_path, [AGG, ended(OTHER, "FAIL", "no [DONE]")]).lines

    assert str(line.cells["agg"]) == "failed 1/2"
    assert line.cells["agg"].why == ("no [DONE]",)
    assert line.kept is False


def test_what_was_not_selected_is_in_the_matrix(tmp_path: Path) -> None:
    rows = rows_of(saved_run(Run([AGG]).write(tmp_path)))
    out = PlannedTest(DISAGG.id, topology="disagg", promise=DISAGG.promise)
    [line] = matrix_of(rows, left_out=[out]).lines

    assert str(line.cells["disagg"]) == "not selected"
    assert (line.kept, line.selected) == (True, False)


def test_a_known_failure_is_shown_as_known(tmp_path: Path) -> None:
    [line] = matrix(tmp_path, [ended(AGG, "FAIL", "x"), OTHER], known=[AGG.id]).lines

    assert str(line.cells["agg"]) == "known issue 1/2"


def test_the_data_has_state_counts_and_reasons(tmp_path: Path) -> None:
    told = matrix(tmp_path, [ended(AGG, "skipped", "n is not declared")]).as_json()

    assert told["promises"][0]["topologies"] == {
        "agg": {"state": "skipped", "tests": {"skipped": 1}, "why": ("n is not declared",)}
    }
