"""Secrets in the logs of a killed run: taken out when it is judged, once nobody writes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.deadline import Deadline, wait_until
from harness.guard.owner import OWNER_FILE
from harness.journal import JOURNAL_FILE, Journal
from harness.qualification.raw_logs import DRAINED_S, take_out_later
from harness.qualification.saved import saved_run
from harness.rundir import RunDirectory
from harness.secrets import REDACTED, FileBusy, Redactor, redact_file

RUN = "20261128T010203-7-ab12"
LEAK = "login with planted-1 and HF_TOKEN=abc at http://u:word@h/"
CLEAN = f"login with {REDACTED} and HF_TOKEN={REDACTED} at http://u:{REDACTED}@h/"
LONG = "x\n" * 300_000
"""It takes some time to read."""
WRITER = """
import sys, time
with open(sys.argv[1], "a", buffering=1) as log:
    for number in range(int(sys.argv[2])):
        log.write(f"{number}: HF_TOKEN=abc\\n")
        time.sleep(0.02)
"""


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was killed in its first test, with a secret in a step's log."""
    monkeypatch.setenv("NIGHTLY_PASSWORD", "planted-1")
    (tmp_path / "tests.json").write_text('[{"id": "a::one", "stage": "serve"}]', encoding="utf-8")
    journal = Journal(tmp_path / JOURNAL_FILE, RUN)
    journal.start("a::one")
    journal.close()
    log_of(tmp_path).write_text(f"0: {LEAK}\n", encoding="utf-8")
    return tmp_path


def log_of(run_dir: Path) -> Path:
    return RunDirectory(run_dir, RUN).logs("agg") / "agg-0.out.log"


@contextmanager
def writing(run_dir: Path, *, lines: int, step: str = f"qualify-{RUN}-agg-agg-0") -> Iterator[None]:
    """Somebody else writes a step's log for a while, as the srun of that step does."""
    argv = [sys.executable, "-c", WRITER, str(log_of(run_dir)), str(lines), f"--job-name={step}"]
    with subprocess.Popen(argv) as writer:
        try:
            wait_until(lambda: "1: HF" in log_of(run_dir).read_text(), Deadline.after(10))
            yield
        finally:
            writer.kill()


def owned_by(host: str, run_dir: Path) -> None:
    (run_dir / OWNER_FILE).write_text(f"{RUN} {host}:1:1\n", encoding="utf-8")


def test_a_killed_runs_logs_lose_their_secrets_when_it_is_judged(killed: Path) -> None:
    owned_by(os.uname().nodename, killed)
    main(["verdict", str(killed)])

    assert log_of(killed).read_text(encoding="utf-8") == f"0: {CLEAN}\n"
    (event,) = (killed / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(event)["files"] == ["logs/agg/agg-0.out.log"]


def test_no_line_is_lost_of_a_step_that_ends_after_its_pytest(killed: Path) -> None:
    with writing(killed, lines=40):
        main(["verdict", str(killed)])

    assert log_of(killed).read_text(encoding="utf-8").splitlines() == [
        f"0: {CLEAN}",
        *(f"{number}: HF_TOKEN={REDACTED}" for number in range(40)),
    ]


def test_a_step_that_does_not_end_keeps_its_log_and_that_is_said(killed: Path) -> None:
    before = log_of(killed).read_text(encoding="utf-8")
    with writing(killed, lines=2000):
        said = list(take_out_later(saved_run(killed), wait_s=0.3))

    may_show = "logs may show secrets: steps of the run may still write them"
    assert said == [f"{may_show}; later: python -m harness verdict {killed}"]
    assert log_of(killed).read_text(encoding="utf-8").startswith(before)


def test_a_file_that_is_written_by_others_is_left_as_it_is(killed: Path) -> None:
    with writing(killed, lines=2000, step="somebody-else"):
        log_of(killed).write_text(LONG + LEAK, encoding="utf-8")
        (said,) = take_out_later(saved_run(killed))

    assert said.startswith("written meanwhile, may show secrets: logs/agg/agg-0.out.log; later: ")
    assert LEAK in log_of(killed).read_text(encoding="utf-8")
    assert [each.name for each in log_of(killed).parent.iterdir()] == ["agg-0.out.log"]


def test_at_the_end_of_a_run_a_secret_is_worse_than_a_line_that_is_lost(killed: Path) -> None:
    with writing(killed, lines=2000):
        log_of(killed).write_text(LONG + LEAK, encoding="utf-8")
        with pytest.raises(FileBusy):
            redact_file(log_of(killed), Redactor(os.environ))
        taken = RunDirectory(killed, RUN).take_out_secrets(even_busy=True)

    assert (taken.changed, taken.busy) == ((log_of(killed),), ())
    assert LEAK not in log_of(killed).read_text(encoding="utf-8")


@pytest.mark.parametrize(("age_s", "kept"), [(0, LEAK), (DRAINED_S + 5, CLEAN)])
def test_steps_of_another_host_are_given_the_time_of_their_stop(
    killed: Path, age_s: float, kept: str
) -> None:
    owned_by("another-host", killed)
    saved = saved_run(killed)
    judged = replace(saved.judged, last_at=saved.judged.last_at - age_s)
    said = list(take_out_later(replace(saved, judged=judged), wait_s=0.1))

    assert log_of(killed).read_text(encoding="utf-8") == f"0: {kept}\n"
    assert bool(said) == (kept == LEAK)


def test_a_run_that_goes_on_is_not_touched(killed: Path) -> None:
    saved = saved_run(killed)
    journal = Journal(killed / JOURNAL_FILE, RUN)
    said = list(take_out_later(saved, wait_s=0.1))
    journal.close()

    assert len(said) == 1
    assert LEAK in log_of(killed).read_text(encoding="utf-8")


def test_what_a_run_left_that_ended_in_order_is_not_read_again(killed: Path) -> None:
    journal = Journal(killed / JOURNAL_FILE, RUN)
    journal.end(0)
    journal.close()
    main(["verdict", str(killed)])

    assert LEAK in log_of(killed).read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_told(
    killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = log_of(killed).with_name(f".{log_of(killed).name}.{os.getpid()}")
    draft.mkdir()
    main(["verdict", str(killed)])

    assert "problem: logs may show secrets: [Errno" in capsys.readouterr().err
