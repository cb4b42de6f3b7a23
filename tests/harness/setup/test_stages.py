"""The parts of a verb: deadlines, exit codes, and an orderly stop. With real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.stages import STOP_SIGNALS, Stages

ROOT = Path(__file__).resolve().parents[3]
VERB = """
import sys
from ci.stages import Stages, Stopped
stages = Stages()
try:
    stages.run("part", ["sh", "-c", sys.argv[1]], timeout_s=30)
except Stopped as stopped:
    print(stopped, flush=True)
    try:
        stages.run("next", ["echo", "never started"], timeout_s=30)
    except Stopped:
        pass
stages.clean_up("down", ["echo", "clean"], timeout_s=30)
"""
WINDS_DOWN = "trap 'echo wound down; exit 3' INT TERM; echo up; while :; do sleep 0.05; done"


@pytest.fixture
def stages() -> Iterator[Stages]:
    """Stages, with the handlers of the test process put back afterwards."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield Stages()
    for number, handler in before.items():
        signal.signal(number, handler)


def verb(part: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", VERB, part],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("part", "code"), [("exit 0", 0), ("exit 11", 11), ("kill -9 $$", 137)])
def test_a_part_s_exit_code_is_kept(stages: Stages, part: str, code: int) -> None:
    assert stages.run("part", ["sh", "-c", part], timeout_s=10).exit_code == code


def test_a_part_that_misses_its_deadline_is_ended(stages: Stages) -> None:
    started_s = time.monotonic()
    done = stages.run("part", ["sleep", "30"], timeout_s=0.2)

    assert done.exit_code == 124
    assert time.monotonic() - started_s < 5


def test_what_a_part_prints_goes_to_a_file_if_one_is_given(stages: Stages, tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    done = stages.run("part", ["sh", "-c", "echo out; echo err >&2"], timeout_s=10, output=log)

    assert done.exit_code == 0
    assert log.read_text(encoding="utf-8") == "out\nerr\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_the_part_wind_down_starts_no_other_and_cleans_up(
    number: signal.Signals,
) -> None:
    running = verb(WINDS_DOWN)
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(number)
    said, _ = running.communicate(timeout=10)

    assert said == f"wound down\nstopped by {number.name}\nclean\n"


def test_a_second_signal_does_not_cut_the_winding_down_short() -> None:
    running = verb("trap 'echo first; sleep 0.5; echo wound down; exit 3' TERM; echo up; "
                   "while :; do sleep 0.05; done")  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(signal.SIGTERM)
    assert running.stdout.readline() == "first\n"
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=10)

    assert said == "wound down\nstopped by SIGTERM\nclean\n"
