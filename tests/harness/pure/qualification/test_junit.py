"""``junit.xml`` of a run that pytest wrote none of: every planned test, as pytest names it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from _pytest.junitxml import mangle_test_address
from hypothesis import given
from hypothesis import strategies as st

from harness.__main__ import main
from harness.qualification.junit import address_of
from tests.harness.pure.qualification.kit import AGG, DISAGG, Run, T, ended

LOST: dict[str, str | None] = {"verdict.json": None}


def suite_of(run_dir: Path) -> ET.Element:
    """The one suite in the file that the command leaves."""
    main(["verdict", str(run_dir)])
    (suite,) = ET.parse(run_dir / "junit.xml").getroot()  # noqa: S314 - written just now
    return suite


def told_of(run_dir: Path) -> list[tuple[str, str, str, str]]:
    """Tag, type, message and text of what each test that did not pass has."""
    cases = suite_of(run_dir).findall("testcase")
    return [
        (each.tag, each.get("type", ""), each.get("message", ""), each.text or "")
        for case in cases
        for each in case
    ]


@given(
    st.lists(st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True), min_size=2, max_size=4),
    st.sampled_from(["", "[a-stream]", "[http://x::y/z.py]", "[a[b]]"]),
)
def test_a_test_has_the_address_that_pytest_gives_it(names: list[str], parameters: str) -> None:
    test = f"tests/agg/test_{names[0]}.py::{'::'.join(names[1:])}{parameters}"
    *parts, name = mangle_test_address(test)

    assert address_of(test) == (".".join(parts), name)


def test_every_planned_test_is_there_with_its_end(tmp_path: Path) -> None:
    tests = [
        AGG,
        ended(DISAGG, "LEAK", "left: moe_1"),
        T("tests/agg/test_a.py::test_skipped", "skipped", "needs 8 nodes"),
        T("tests/agg/test_a.py::test_not_run", "not run", "agg did not come up, cause-1"),
        T("tests/agg/test_a.py::test_late", "never ran"),
    ]
    run = Run(tests, files=LOST).write(tmp_path)
    suite = suite_of(run)

    assert [case.get("name") for case in suite] == [test.id.split("::")[-1] for test in tests]
    assert {case.get("classname") for case in suite} == {
        "tests.agg.test_serving.TestForms", "tests.disagg.test_serving.TestForms",
        "tests.agg.test_a",
    }  # fmt: skip
    assert told_of(run) == [
        ("failure", "LEAK", "[LEAK] left: moe_1", "left: moe_1"),
        ("skipped", "pytest.skip", "needs 8 nodes", "needs 8 nodes"),
        ("skipped", "pytest.skip", *["not run: agg did not come up, cause-1"] * 2),
        ("skipped", "pytest.skip", *["never ran: the run ended before it"] * 2),
    ]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "1", "errors": "0", "skipped": "3",
    }  # fmt: skip
    assert suite.get("timestamp") == "1970-01-01T00:16:40+00:00"


def test_a_message_of_any_characters_and_a_secret_is_xml_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", 'planted "1" <&>')
    message = 'saw \x1b[31m<a & b>\ud800 of planted "1" <&> PASSWORD="a secret"'
    run = Run([ended(AGG, "FAIL", message)], files=LOST).write(tmp_path)

    assert told_of(run)[0][3] == 'saw #x1B[31m<a & b>#xD800 of [redacted] PASSWORD="[redacted]"'
    text = (run / "junit.xml").read_text(encoding="utf-8")
    assert not [word for word in ("planted", "a secret") if word in text]


def test_the_file_that_pytest_wrote_stays_as_it_is(tmp_path: Path) -> None:
    kept = "<testsuites><testsuite name='theirs' /></testsuites>"
    run = Run(files={"junit.xml": kept}).write(tmp_path)
    main(["verdict", str(run)])

    assert (run / "junit.xml").read_text(encoding="utf-8") == kept


def test_a_file_that_was_torn_is_kept_and_replaced(tmp_path: Path) -> None:
    torn = "<testsuites><testsuite name="
    run = Run(files={"junit.xml": torn}).write(tmp_path)

    assert len(suite_of(run)) == 2
    assert (run / "junit.xml.damaged").read_text(encoding="utf-8") == torn


def test_a_run_without_a_journal_began_at_no_time_that_is_known(tmp_path: Path) -> None:
    run = Run(files={**LOST, "journal.jsonl": None}).write(tmp_path)
    suite = suite_of(run)

    assert (suite.get("timestamp"), suite.get("skipped")) == (None, "2")


def test_a_run_of_which_nothing_is_known_gets_no_file(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}", encoding="utf-8")
    main(["verdict", str(tmp_path)])

    assert not (tmp_path / "junit.xml").exists()
