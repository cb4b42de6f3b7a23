"""A secret that the site file alone knows, given away in every way by a run on nodes, for real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.harness.report.test_planted_secrets import contents
from tests.harness.report.tiny_run import TinyRun, run_tiny

SECRET = "planted-site-1"
SITE = f"""
partition: debug
environment:
  HF_TOKEN: {SECRET}
"""
LEAKS = f"""
import allure, pytest
from harness.exchange import Outcome
from harness.serving.record import Record
from harness.serving.request import ChatRequest

pytestmark = [
    pytest.mark.agg, pytest.mark.topology("agg"), pytest.mark.lifecycle("serve"),
]
SECRET = "{SECRET}"


@pytest.mark.parametrize("word", [SECRET])
def test_parameter(run, word):
    pass


def test_record_and_judgement(run, judge):
    record = Record(
        ChatRequest.ask("m", SECRET), "1", "http://h", Outcome.COMPLETE, "", 1.0, 1.0, 200, (), ()
    )
    run.records.write(record)
    judge.json_text(record, members=[SECRET])


def test_skip(run):
    pytest.skip(f"no login with {{SECRET}}")


def test_attachments(run, tmp_path):
    (tmp_path / "log").write_text(SECRET)
    allure.attach.file(tmp_path / "log", "a file")
    allure.attach(SECRET, "a text")
    with allure.step(SECRET):
        assert SECRET == ""
"""


def run_leaking(folder: Path, variables: Mapping[str, str] | None = None) -> TinyRun:
    tests = folder / "tests"
    tests.mkdir()
    (tests / "test_leaks.py").write_text(LEAKS, encoding="utf-8")
    (folder / "site.yaml").write_text(SITE, encoding="utf-8")
    more = [str(tests / "test_leaks.py"), "--site", str(folder / "site")]
    return run_tiny(tests, *more, run_dir=folder / "run", variables=variables)


def test_a_secret_of_the_site_file_is_in_no_file_of_a_run(tmp_path: Path) -> None:
    done = run_leaking(tmp_path)
    files = contents(done.run_dir)

    assert [name for name, text in files.items() if SECRET in text] == []
    leaky = {name for name, text in files.items() if "[redacted]" in text}
    assert {"journal.jsonl", "records.jsonl", "judgements.jsonl", "verdict.json"} <= leaky
    assert {"junit.xml", "settings.json", "plan.json", "results.csv"} <= leaky
    assert len([name for name in leaky if name.endswith("-attachment.attach")]) == 2
    assert done.output.count("no login with [redacted]") == 1


def test_an_error_that_ends_a_run_is_said_without_its_secret(tmp_path: Path) -> None:
    image = str(tmp_path / "planted-env-2.sqsh")
    done = run_leaking(tmp_path, {"IMAGE": image, "NIGHTLY_PASSWORD": "planted-env-2"})

    assert "planted-env-2" not in done.output
    assert f"{tmp_path}/[redacted].sqsh" in done.output
