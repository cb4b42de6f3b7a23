"""``make report``: the report, and the gate's answer whatever becomes of the report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import ci.report
from harness.journal import JOURNAL_FILE, Journal
from harness.settings import PROJECT_ROOT
from tests.harness.pure.qualification.kit import FACTS, Run

EMULATED = {**FACTS, "engine": "1.3.0rc22+emulated"}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A run to which every rule of the gate says yes."""
    return Run().write(tmp_path / "run")


def report_without_node(run_dir: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the verb where no Node is and none can be fetched."""
    return subprocess.run(
        [sys.executable, "-m", "ci.report", str(run_dir)],
        capture_output=True,
        check=False,
        cwd=PROJECT_ROOT,
        env={
            "PATH": "/nonexistent",
            "HOME": "/nonexistent",
            "XDG_CACHE_HOME": str(cache),
            "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1",
        },
        text=True,
        timeout=60,
    )


@pytest.mark.slow
def test_a_good_run_ends_with_class_answer_and_report(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = ci.report.main([str(good)])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[-2] == "release: yes (9 rules hold)"
    assert lines[-1] == f"report: PASS: may decide about a release; {good / 'report.html'}"
    assert (good / "report.html").is_file()


@pytest.mark.slow
def test_the_report_shows_the_gate_as_it_answers_now(tmp_path: Path) -> None:
    run_dir = Run(facts=EMULATED, verdict={"emulated": True}).write(tmp_path / "run")

    assert ci.report.main([str(run_dir)]) == 14
    assert not json.loads((run_dir / "gate.json").read_text(encoding="utf-8"))["release"]
    title = re.search(r"<title>(.*?)</title>", (run_dir / "report.html").read_text("utf-8"))
    assert title is not None
    assert "emulated engine: not a release verdict" in title[1]


def test_no_node_does_not_hide_the_gates_answer(tmp_path: Path) -> None:
    run_dir = Run(facts=EMULATED, verdict={"emulated": True}).write(tmp_path / "run")

    done = report_without_node(run_dir, tmp_path / "cache")

    assert done.returncode == 14
    assert "not rendered: Node could not be fetched" in done.stderr
    assert done.stdout.splitlines()[-2].startswith("release: refused, class INVALID (1 of 9 rules")
    assert done.stdout.splitlines()[-1] == (
        "report: INVALID: no release on this; no report was rendered"
    )
    assert (run_dir / "gate.json").is_file()


def test_a_yes_without_a_report_is_no_success(good: Path, tmp_path: Path) -> None:
    done = report_without_node(good, tmp_path / "cache")

    assert done.returncode == 13
    assert done.stdout.splitlines()[-1] == (
        "report: PASS: may decide about a release; no report was rendered"
    )


def test_a_defect_of_the_renderer_does_not_hide_the_gates_answer(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(_: Sequence[str]) -> int:
        raise KeyError("labels")

    monkeypatch.setattr(ci.report, "render", stumble)

    assert ci.report.main([str(good)]) == 15
    said = capsys.readouterr()
    assert "KeyError: 'labels'" in said.err
    assert "release: yes" in said.out


def test_a_folder_that_is_no_run_is_told_and_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ci.report.main([str(tmp_path / "nope")]) == 2
    said = capsys.readouterr()
    assert f"{tmp_path}/nope: no such run directory" in said.err
    assert said.out == f"report: no verdict: nothing to judge in {tmp_path}/nope\n"


def test_a_run_that_goes_on_has_no_answer_yet(
    good: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ci.report, "render", lambda _: 0)
    journal = Journal(good / JOURNAL_FILE, "run-a")

    assert ci.report.main([str(good)]) == 2
    assert "the run goes on" in capsys.readouterr().err
    journal.close()
