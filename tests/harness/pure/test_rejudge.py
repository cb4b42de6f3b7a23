"""A saved run judged again: the same verdict, or by name what is judged otherwise now."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli.judge import main
from harness.errors import HarnessError, VerdictClass
from harness.exchange import Outcome as Ended
from harness.journal import JOURNAL_FILE, Journal, Outcome
from harness.rejudge import Rejudged, rejudge
from harness.serving import Record, RecordSink
from harness.serving.judgement import JUDGEMENTS_FILE, Judging
from tests.harness.pure.serving_kit import asked, framed, good_chunks, record_of

ASKED = asked(max_tokens=2)
BODY = framed(good_chunks(["Once ", "upon"]))
GOOD = replace(record_of(BODY, ASKED), request_id="good")
TWIN = replace(GOOD, request_id="twin")
BROKEN = replace(record_of(BODY[:-9], ASKED, outcome=Ended.CUT), request_id="broken")
PASSED, FAILED = "t.py::test_one", "t.py::test_two"
GOOD_LINE = (
    "verdict: PASS (3 passed, 0 failed, 0 not run, engine not seen: not a release verdict, 5 s)"
)


def write_records(run: Path, records: Iterable[Record]) -> None:
    path = run / "records.jsonl"
    path.unlink(missing_ok=True)
    with RecordSink(path) as sink:
        for record in records:
            sink.write(record)


def write_verdict(run: Path, *, failures: dict[str, str], **members: Any) -> None:
    """Write the ``verdict.json`` of a run of three tests, of which ``failures`` failed."""
    verdict = {
        "verdict": next(iter(failures.values()), "PASS"),
        "finished": True,
        "counts": {"passed": 3 - len(failures), "failed": len(failures)},
        "seconds": 5.0,
        "error": None,
        "failures": {test: {"class": given, "message": ""} for test, given in failures.items()},
    }
    (run / "verdict.json").write_text(json.dumps(verdict | members), encoding="utf-8")


@pytest.fixture
def good_run(tmp_path: Path) -> Path:
    """A run that passed, whose first test judged two streams and that they are the same."""
    judge = Judging(tmp_path / JUDGEMENTS_FILE, test=PASSED)
    judge.stream(GOOD, TWIN)
    judge.same(GOOD, TWIN)
    write_records(tmp_path, [GOOD, TWIN])
    write_verdict(tmp_path, failures={})
    return tmp_path


@pytest.fixture
def bad_run(tmp_path: Path) -> Path:
    """A run of which one test passed and one found a broken stream."""
    Judging(tmp_path / JUDGEMENTS_FILE, test=PASSED).stream(GOOD)
    Judging(tmp_path / JUDGEMENTS_FILE, test=FAILED).stream(BROKEN)
    write_records(tmp_path, [GOOD, BROKEN])
    write_verdict(tmp_path, failures={FAILED: "FAIL"})
    return tmp_path


def again(run: Path) -> Rejudged:
    judged = rejudge(run)
    assert judged is not None
    return judged


def test_good_run_is_good_again_and_again(
    good_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((each.name, each.read_bytes()) for each in good_run.iterdir())
    codes = [main([str(good_run)]) for _ in range(2)]
    first, second = capsys.readouterr().out.splitlines()[:2], capsys.readouterr()

    assert codes == [0, 0]
    assert first == [
        "3 judgements made again: 0 findings in 0 tests",
        GOOD_LINE,
    ]
    assert second.err == ""
    assert sorted((each.name, each.read_bytes()) for each in good_run.iterdir()) == before


def test_bad_run_is_bad_again_and_nothing_is_said_to_be_new(
    bad_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [main([str(bad_run)]), main([str(bad_run)])]
    out = capsys.readouterr().out.splitlines()

    assert codes == [1, 1]
    assert (
        out[:2]
        == out[2:]
        == [
            "2 judgements made again: 1 findings in 1 tests",
            "verdict: FAIL (2 passed, 1 failed, 0 not run, 5 s)",
        ]
    )


def test_record_that_is_found_wrong_now_fails_its_test_by_name(
    good_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The counts said that nothing had failed."""
    write_records(good_run, [GOOD, replace(BROKEN, request_id="twin")])

    assert again(good_run).newly_failed == (PASSED,)
    assert main([str(good_run)]) == 1
    out = capsys.readouterr().out
    assert f"passed in the run, fails now: {PASSED}\n  complete: expected" in out
    assert out.endswith("verdict: FAIL (2 passed, 1 failed, 0 not run, 5 s)\n")


def test_findings_that_vanish_clear_their_test_by_name(
    bad_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(bad_run, [GOOD, replace(GOOD, request_id="broken")])

    assert again(bad_run).cleared == (FAILED,)
    assert main([str(bad_run)]) == 14
    out = capsys.readouterr().out
    told = "failed in the run, nothing is found now, the rest of it never ran"
    assert f"{told}: {FAILED}\n  then: complete:" in out
    assert out.endswith("verdict: INVALID (2 passed, 0 failed, 1 not run, 5 s)\n")


@pytest.mark.parametrize(("given", "code"), [("LEAK", 11), ("INFRA", 13)])
def test_failure_that_no_request_tells_stays(good_run: Path, given: str, code: int) -> None:
    write_verdict(good_run, failures={"t.py::test_nodes": given})

    assert again(good_run).verdict == VerdictClass(given)
    assert main([str(good_run)]) == code


def test_broken_promise_outweighs_what_else_failed(good_run: Path) -> None:
    write_verdict(good_run, failures={"t.py::test_nodes": "LEAK"})
    write_records(good_run, [GOOD, replace(BROKEN, request_id="twin")])

    assert again(good_run).verdict is VerdictClass.FAIL


def test_error_of_the_run_itself_stays(good_run: Path) -> None:
    write_verdict(good_run, failures={}, verdict="INFRA", error="the node went away")

    assert main([str(good_run)]) == 13


def test_killed_run_is_judged_by_its_journal(good_run: Path) -> None:
    (good_run / "verdict.json").unlink()
    plan = [{"id": PASSED, "stage": "serve"}, {"id": FAILED, "stage": "serve"}]
    (good_run / "tests.json").write_text(json.dumps(plan), encoding="utf-8")
    journal = Journal(good_run / JOURNAL_FILE, "run-1")
    journal.start(PASSED)
    for phase in ("setup", "call", "teardown"):
        journal.outcome(PASSED, phase, Outcome.PASSED)
    journal.close()

    assert again(good_run).verdict is VerdictClass.INVALID
    assert main([str(good_run)]) == 14
    assert not (good_run / "verdict.json").exists()

    write_records(good_run, [BROKEN, replace(BROKEN, request_id="good"), TWIN])
    assert again(good_run).verdict is VerdictClass.FAIL
    assert again(good_run).newly_failed == (PASSED,)


@pytest.mark.parametrize("missing", ["verdict.json", JUDGEMENTS_FILE])
def test_run_without_judgements_or_outcome_is_not_judged(
    good_run: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (good_run / missing).unlink()

    assert rejudge(good_run) is None
    assert main([str(good_run)]) == 2
    assert f"{good_run}: no verdict.json or no {JUDGEMENTS_FILE}" in capsys.readouterr().err


@pytest.mark.parametrize("lines", [None, "", "{}\n", "[]\n"], ids=repr)
def test_missing_or_damaged_records_are_the_suites_fault(
    good_run: Path, lines: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = good_run / "records.jsonl"
    path.unlink() if lines is None else path.write_text(lines)

    with pytest.raises(HarnessError):
        rejudge(good_run)
    assert main([str(good_run)]) == 15
    assert "HarnessError [HARNESS]: expected" in capsys.readouterr().err
