"""``--no-report``: nothing is written for Allure, and all else that a run leaves is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from reports.missing import missing_results
from tests.harness.report.tiny_run import TinyRun, run_tiny

USAGE = 4


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A run of four tests, of which one fails, without a report."""
    folder = tmp_path_factory.mktemp("plain")
    return run_tiny(folder / "tests", "--no-report", run_dir=folder / "run")


def test_nothing_is_written_for_allure(plain: TinyRun) -> None:
    assert not (plain.run_dir / "allure-results").exists()


def test_verdict_facts_and_junit_stay(plain: TinyRun) -> None:
    verdict = plain.read("verdict.json")

    assert plain.exit_code == 1
    assert (verdict["verdict"], verdict["counts"]["passed"]) == ("FAIL", 3)
    assert plain.read("facts.json")["command"].endswith("--no-report")
    assert 'tests="4"' in (plain.run_dir / "junit.xml").read_text(encoding="utf-8")


def test_a_run_with_a_report_has_the_same_verdict(plain: TinyRun, tmp_path: Path) -> None:
    full = run_tiny(tmp_path / "tests", run_dir=tmp_path / "run")

    members = ("verdict", "counts", "failures", "not_run")
    assert len(full.results()) == 4
    assert [full.read("verdict.json")[each] for each in members] == [
        plain.read("verdict.json")[each] for each in members
    ]


def test_its_files_are_those_of_one_run_to_the_gate(
    plain: TinyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["verdict", str(plain.run_dir), "--release"])

    assert "yes files of one run: they can be read and tell the same" in capsys.readouterr().out


def test_the_journal_is_enough_to_render_it_later(plain: TinyRun) -> None:
    states = {each["name"]: each["status"] for each in missing_results(plain.run_dir).results}

    assert states == {
        "test_one": "passed",
        "test_two": "failed",
        "test_three[3-c]": "passed",
        "test_four": "passed",
    }


def test_a_place_for_allures_results_contradicts_it(tmp_path: Path) -> None:
    words = ("--no-report", "--alluredir", str(tmp_path / "a"))
    done = run_tiny(tmp_path / "tests", *words, run_dir=tmp_path / "run")

    assert done.exit_code == USAGE
    assert "--no-report writes nothing for Allure: leave --alluredir out" in done.output
