"""The gate: what each rule refuses, and with which class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import VerdictClass
from harness.qualification.gate import Gate
from harness.qualification.saved import saved_run
from harness.qualification.skips import accepted
from harness.qualification.written import decide
from tests.harness.pure.qualification.kit import (
    AGG,
    DISAGG,
    FACTS,
    GOOD,
    TODAY,
    Run,
    ended,
    known_issue,
)

Ask = Callable[..., Gate]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask the gate about a run, with known issues as YAML."""

    def asked(run: Run, known: str = "[]", *, kinds: tuple[str, ...] = ("agg", "disagg")) -> Gate:
        issues = tmp_path / "known.yaml"
        issues.write_text(known, encoding="utf-8")
        saved = saved_run(run.write(tmp_path / "run"))
        return decide(saved, known_issues=issues, today=TODAY, commit="abc1234", kinds=kinds).gate

    return asked


def refusals(gate: Gate) -> dict[str, str]:
    """Name of each rule that says no, with its first reason."""
    return {rule.name: rule.why[0] for rule in gate.refused_by}


def test_a_whole_run_on_a_real_engine_may_decide(ask: Ask) -> None:
    gate = ask(Run())

    assert refusals(gate) == {}
    assert gate.verdict is VerdictClass.PASS
    assert gate.warnings == ()
    assert gate.last_line == "release: yes (9 rules hold)"


@pytest.mark.parametrize(
    ("run", "rule", "words"),
    [
        (Run(verdict={"emulated": True}), "engine real", "emulated"),
        (Run(facts={**FACTS, "engine": "1.3.0+emulated"}), "engine real", "emulated: 1.3.0+em"),
        (Run(facts={**FACTS, "gpus": "16 x GB200 (emulated)"}), "engine real", "emulated"),
        (Run(verdict={"emulated": None}), "engine real", "not known to be real"),
        (
            Run(facts={**FACTS, "engine": "none seen"}, verdict={"engine": "1.3.0"}),
            "engine seen",
            "no engine told",
        ),
        (Run(verdict={"engine": "none seen"}), "engine seen", "no engine told"),
        (Run(verdict={"finished": False}), "finished", "ended before its end"),
        (Run(verdict={"interrupted": AGG.id}), "finished", f"interrupted in {AGG.id}"),
        (Run([AGG, ended(DISAGG, "not run", "cause-1: Hang")]), "promises ran", "1 not run: cau"),
        (Run([AGG, ended(DISAGG, "never ran")]), "promises ran", "1 never ran"),
        (Run([AGG]), "promises asked", "no test of disagg was planned"),
        (Run(left_out=[DISAGG]), "promises asked", "left out by selection: 1 tests of disagg"),
        (Run(collected_from=["tests/agg"]), "promises asked", "not all of tests/disagg"),
        (
            Run(collected_from=["tests/agg/test_serving.py", "tests/disagg"]),
            "promises asked",
            "not all of tests/agg",
        ),
        (Run(files={"selection.json": None}), "promises asked", "selection.json is missing"),
        (Run([AGG, ended(DISAGG, "skipped", "aiperf is not here")]), "skips accepted", "skipped "),
        (Run(verdict={"verdict": "HARNESS"}), "no failure", "the run's own verdict is HARNESS"),
        (Run(verdict={"run_id": "run-b"}), "files of one run", "results of another run are mixed"),
        (Run(files={"tests.json": "["}), "files of one run", "tests.json is damaged"),
    ],
)
def test_a_run_that_does_not_decide_is_refused_as_invalid(
    ask: Ask, run: Run, rule: str, words: str
) -> None:
    gate = ask(run)

    assert words in refusals(gate)[rule]
    assert gate.verdict in {VerdictClass.INVALID, VerdictClass.HARNESS}
    assert gate.last_line.startswith("release: refused, class ")


@pytest.mark.parametrize("given", ["FAIL", "LEAK", "CONFIG", "INFRA", "HARNESS"])
def test_a_failure_gives_its_class(ask: Ask, given: str) -> None:
    gate = ask(Run([AGG, ended(DISAGG, given, "it broke")]))

    assert gate.verdict is VerdictClass(given)
    assert refusals(gate) == {"no failure": f"{given} {DISAGG.id}: it broke"}


def test_the_worst_class_names_the_refusal(ask: Ask) -> None:
    gate = ask(Run([ended(AGG, "INFRA", "node1"), ended(DISAGG, "LEAK", "left")]))

    assert gate.verdict is VerdictClass.LEAK


def test_an_error_of_the_run_itself_counts_with_its_class(ask: Ask) -> None:
    gate = ask(Run(verdict={"error": "SlurmError [INFRA]: no answer\nhint: x"}))

    assert refusals(gate)["no failure"] == "SlurmError [INFRA]: no answer"
    assert gate.verdict is VerdictClass.INFRA


def test_a_known_failure_does_not_count_and_is_shown(ask: Ask) -> None:
    gate = ask(Run([ended(AGG, "FAIL", "it says nothing"), DISAGG]), known_issue())

    assert gate.verdict is VerdictClass.PASS
    assert gate.last_line == "release: yes (9 rules hold, 1 known)"
    assert f"known: {AGG.id}: https://issues.example.org/1 (the runtime team, until " in "\n".join(
        gate.lines()
    )


def test_an_expired_known_issue_is_an_error_even_if_nothing_failed(
    ask: Ask, tmp_path: Path
) -> None:
    gate = ask(Run(), known_issue(expires="2026-11-27"))

    assert gate.verdict is VerdictClass.CONFIG
    assert refusals(gate)["known issues"].startswith(
        f"{tmp_path / 'known.yaml'}:1: expired on 2026-11-27"
    )


def test_a_failure_counts_again_when_its_known_issue_has_expired(ask: Ask) -> None:
    run = Run([ended(AGG, "FAIL", "it says nothing"), DISAGG])
    gate = ask(run, known_issue(expires="2026-11-27"))

    assert set(refusals(gate)) == {"known issues", "no failure"}
    assert gate.verdict is VerdictClass.FAIL


def test_a_file_of_known_issues_that_is_wrong_is_config(ask: Ask) -> None:
    gate = ask(Run(), "- word")

    assert gate.verdict is VerdictClass.CONFIG
    assert "known.yaml:1" in refusals(gate)["known issues"]


def test_a_stale_known_issue_is_listed_and_refuses_nothing(ask: Ask) -> None:
    gate = ask(Run(), known_issue())

    assert gate.verdict is VerdictClass.PASS
    assert "known.yaml:1" in gate.stale[0]


def test_a_known_issue_may_be_about_a_skip(ask: Ask) -> None:
    run = Run([ended(AGG, "skipped", "aiperf is not installed here"), DISAGG])
    gate = ask(run, known_issue(message="aiperf is not installed"))

    assert gate.verdict is VerdictClass.PASS


def test_one_kind_may_be_asked_alone_and_the_answer_says_so(ask: Ask) -> None:
    run = Run([AGG], left_out=[DISAGG], collected_from=["tests/agg"])
    gate = ask(run, kinds=("agg",))

    assert gate.last_line == "release of agg alone: yes (9 rules hold)"


def test_tests_of_cycles_are_never_missed(ask: Ask) -> None:
    gate = ask(Run(left_out=[replace(AGG, id="tests/agg/test_cycles.py::x", stage="cycles")]))

    assert refusals(gate) == {}


@pytest.mark.parametrize(
    ("commit", "words"),
    [
        ("abc1234-dirty", "no commit's: abc1234-dirty"),
        ("", "not known"),
        ("fff0000", "of commit fff0000, this checkout is abc1234"),
    ],
)
def test_another_commit_state_is_a_warning(ask: Ask, commit: str, words: str) -> None:
    gate = ask(Run(facts={**FACTS, "suite_commit": commit}))

    assert gate.verdict is VerdictClass.PASS
    assert words in gate.warnings[0]


def test_the_data_has_every_rule(ask: Ask) -> None:
    told = ask(Run(GOOD, verdict={"emulated": True})).as_json()

    assert (told["release"], told["class"], len(told["rules"])) == (False, "INVALID", 9)
    assert [rule["name"] for rule in told["rules"] if not rule["holds"]] == ["engine real"]


@pytest.mark.parametrize(
    ("reason", "taken"),
    [
        ("tool-calls is not declared (DYNAMO_RELEASE, --declared-features)", True),
        ("an answer that fills a context of 8448 tokens takes too long here", True),
        (
            "who is not declared (DYNAMO_RELEASE, --declared-features), and aiperf is not here",
            False,
        ),
        ("needs the workers' metrics: DYN_SYSTEM_PORT is 0", False),
        ("aiperf is not installed here (an extra of some 800 MB; see the README)", False),
        ("", False),
    ],
)
def test_only_what_the_release_lacks_is_skipped_with_leave(reason: str, taken: bool) -> None:
    assert accepted(reason) is taken
