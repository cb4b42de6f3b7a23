"""The first line of a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.journal import JOURNAL_FILE, Journal
from reports.facts import facts_of

VERDICT = {
    "run_id": "20261101T120000-12-abcd",
    "verdict": "PASS",
    "counts": {"passed": 34, "failed": 0, "not_run": 0},
    "emulated": False,
    "engine": "tensorrt_llm 1.2.0",
    "seconds": 97.5,
}


def run_with(run_dir: Path, **changes: object) -> Path:
    (run_dir / "verdict.json").write_text(json.dumps({**VERDICT, **changes}), encoding="utf-8")
    return run_dir


def test_a_run_on_gpus_gives_verdict_and_counts(tmp_path: Path) -> None:
    facts = facts_of(run_with(tmp_path))

    assert facts.name == "PASS: 34 passed, 0 failed, 0 not run"
    assert "release verdict" not in facts.variables


def test_an_emulated_engine_is_named_on_the_first_line(tmp_path: Path) -> None:
    facts = facts_of(run_with(tmp_path, emulated=True))

    assert facts.name == (
        "PASS, emulated engine: not a release verdict: 34 passed, 0 failed, 0 not run"
    )
    assert facts.variables["release verdict"] == "none: the engine is emulated"


def test_the_error_that_stopped_a_run_is_shown_by_its_first_line(tmp_path: Path) -> None:
    facts = facts_of(run_with(tmp_path, verdict="CONFIG", error="PlanError [CONFIG]: a\nhint: b"))

    assert facts.variables["stopped by"] == "PlanError [CONFIG]: a"


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
def test_a_run_that_left_no_record_says_that_it_has_no_verdict(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "verdict.json").write_text(content, encoding="utf-8")

    assert facts_of(tmp_path).name == f"no verdict: the run did not end by itself ({tmp_path.name})"


def test_a_run_that_was_cut_short_says_so_with_its_verdict(tmp_path: Path) -> None:
    counts = {"passed": 12, "failed": 1, "interrupted": 1, "never_ran": 20}
    facts = facts_of(
        run_with(tmp_path, verdict="LEAK", finished=False, interrupted="a::b", counts=counts)
    )

    assert facts.name == (
        "LEAK: ended before its end (12 passed, 1 failed, 1 interrupted, 20 never ran)"
    )
    assert facts.variables["interrupted"] == "a::b"


def test_a_run_that_was_killed_is_judged_by_its_journal(tmp_path: Path) -> None:
    (tmp_path / "tests.json").write_text('[{"id": "a::b", "stage": "s"}]', encoding="utf-8")
    journal = Journal(tmp_path / JOURNAL_FILE, "run-1")
    journal.start("a::b")
    going_on = facts_of(tmp_path).name
    journal.close()

    assert going_on == f"no verdict yet: the run goes on ({tmp_path.name})"
    assert facts_of(tmp_path).name == (
        "INVALID: ended before its end (0 passed, 0 failed, 1 interrupted, 0 never ran)"
    )
    assert not (tmp_path / "verdict.json").exists()


def test_a_count_that_is_missing_is_not_taken_for_zero(tmp_path: Path) -> None:
    facts = facts_of(run_with(tmp_path, counts={"passed": 3}))

    assert facts.name == "PASS: 3 passed, unknown failed, unknown not run"
