"""The schema of verdict.json: the kept file, verdicts as they are written, and broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.qualification.saved import saved_run
from harness.qualification.schema import SCHEMA_PATH, faults_of, schema_text
from harness.verdict_file import judged_verdict, read_object
from tests.harness.pure.qualification.kit import AGG, DISAGG, Run, ended


def test_the_kept_schema_is_that_of_the_model() -> None:
    """After a change: ``python -m harness.qualification.schema``."""
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_text()


def test_the_verdict_of_a_killed_run_follows_the_schema(tmp_path: Path) -> None:
    tests = (ended(AGG, "LEAK", "left"), ended(DISAGG, "never ran"))
    run = Run(tests, files={"verdict.json": None}).write(tmp_path)

    assert faults_of(judged_verdict(run)) == ()


def test_the_verdict_of_a_run_without_results_follows_the_schema(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}", encoding="utf-8")

    assert faults_of(saved_run(tmp_path).verdict) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "GREEN"}, "verdict: Input should be 'PASS'"),
        ({"counts": {"passed": 1}}, "counts.failed: Field required"),
        ({"news": 1}, "news: Extra inputs"),
        ({"failures": {"a": {"class": "FAIL"}}}, "failures.a.message: Field required"),
        ({"schema_version": 2}, "schema version 2, this suite reads 1"),
        ({"schema_version": None}, "schema version None"),
    ],
)
def test_what_does_not_follow_is_named(
    change: dict[str, object], words: str, tmp_path: Path
) -> None:
    verdict = read_object(Run(verdict=change).write(tmp_path) / "verdict.json")

    assert words in " ".join(faults_of(verdict))
