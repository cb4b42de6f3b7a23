"""known_issues.yaml: what may stand in it, and which failures it covers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from harness.errors import SettingsError, VerdictClass
from harness.qualification.known import KnownIssues, apply_waivers
from harness.qualification.rows import rows_of
from harness.qualification.saved import saved_run
from harness.qualification.waivers import KNOWN_ISSUES, Waiver, fits, read_waivers
from tests.harness.pure.qualification.kit import AGG, DISAGG, TODAY, Run, ended, known_issue


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known.yaml"


def read(file: Path, text: str) -> tuple[Waiver, ...]:
    file.write_text(text, encoding="utf-8")
    return read_waivers(file)


def held(file: Path, text: str, *, today: date = TODAY, message: str) -> KnownIssues:
    """Known issues held against a run in which the test of agg failed with a message."""
    run = Run([ended(AGG, "FAIL", message), DISAGG]).write(file.parent / "run")
    return apply_waivers(read(file, text), rows_of(saved_run(run)), today=today)


def test_the_projects_own_file_is_right() -> None:
    assert all(each.link for each in read_waivers(KNOWN_ISSUES))


@pytest.mark.parametrize("text", ["", "[]", "# nothing\n"])
def test_an_empty_file_has_none(file: Path, text: str) -> None:
    assert read(file, text) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (known_issue(owner=""), "known.yaml:3: `owner`: Field required"),
        (known_issue(news="x"), "known.yaml:3: `news`: Extra inputs"),
        (known_issue(link="4711"), "known.yaml:3: `link`"),
        (known_issue(expires="soon"), "known.yaml:3: `expires`"),
        (known_issue(topology="aggg"), "unknown topology; known: attached, agg"),
        (known_issue(message=" "), "known.yaml:3: `message`"),
        (known_issue(test=""), "give `test` or `promise`"),
        (known_issue(promise="A chat*"), "give `test` or `promise`"),
        (known_issue() + '  owner: "another"\n', "known.yaml:3: `owner` stands twice"),
        ("- words\n", "known.yaml:3: "),
    ],
)
def test_a_bad_entry_is_named_with_its_line(file: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(file, f"# a comment\n\n{text}")

    assert words in refused.value.message
    assert refused.value.verdict_class is VerdictClass.CONFIG


@pytest.mark.parametrize("text", ["a: b\n", "word\n", "[\n", "- [a\n"])
def test_what_is_no_list_is_refused_with_the_file(file: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"known\.yaml"):
        read(file, text)


def test_words_that_are_no_yaml_are_named_with_their_line(file: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"known\.yaml:2: cannot be read as YAML.* needs quotes"
    ):
        read(file, "- test: a\n  message: exit code: 3\n")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        read_waivers(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("pattern", "text", "fit"),
    [
        ("a::b[x]", "a::b[x]", True),
        ("a::b[x]", "a::bx", False),
        ("a::*", "a::b[x-y]", True),
        ("*", "", True),
        ("a", "ab", False),
        ("a.c", "abc", False),
    ],
)
def test_brackets_and_dots_stand_for_themselves(pattern: str, text: str, fit: bool) -> None:
    assert fits(pattern, text) is fit


def test_a_failure_with_the_words_is_known_though_broken_into_lines(file: Path) -> None:
    found = held(file, known_issue(), message="E  the engine says\n   nothing at all")

    assert found.by_test[AGG.id].owner == "the runtime team"
    assert (found.expired, found.stale) == ((), ())


def test_a_promise_may_name_the_tests(file: Path) -> None:
    found = held(file, known_issue(test="", promise="A chat is*"), message="it says nothing")

    assert list(found.by_test) == [AGG.id]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"message": "other words"}, "no message has the words 'other words' (failed)"),
        ({"topology": "disagg", "test": "*"}, "its tests did not fail (passed)"),
        ({"test": "tests/agg/gone.py::*"}, "this run has no such test"),
    ],
)
def test_what_fits_nothing_is_stale_and_covers_nothing(
    file: Path, change: dict[str, str], why: str
) -> None:
    found = held(file, known_issue(**change), message="it says nothing")

    assert found.by_test == {}
    assert [reason for _, reason in found.stale] == [why]


@pytest.mark.parametrize(
    ("today", "counts"), [(date(2026, 12, 31), True), (date(2027, 1, 1), False)]
)
def test_it_counts_to_the_end_of_its_last_day(file: Path, today: date, counts: bool) -> None:
    found = held(file, known_issue(), today=today, message="it says nothing")

    assert bool(found.by_test) is counts
    assert [each.where for each in found.expired] == ([] if counts else [f"{file}:1"])


def test_what_did_not_run_is_never_known(file: Path) -> None:
    run = Run([ended(AGG, "not run", "it says nothing")]).write(file.parent / "run")
    found = apply_waivers(read(file, known_issue()), rows_of(saved_run(run)), today=TODAY)

    assert found.by_test == {}


def test_two_that_fit_one_failure_are_both_in_use(file: Path) -> None:
    text = known_issue() + known_issue(message="nothing", link="https://issues.example.org/2")
    found = held(file, text, message="it says nothing")

    assert found.stale == ()
    assert replace(found.by_test[AGG.id], where="").link.endswith("/1")
