"""What a rank is told to do wrong at its end, and does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tensorrt_llm._emulation import settings
from tensorrt_llm._emulation.gpu import holdings
from tensorrt_llm._emulation.stop_faults import StopFaults, parse_stop_faults
from tensorrt_llm._emulation.survivor import NAME, leave_behind

MARK = "QUALIFY_RUN=run-7"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", StopFaults()),
        ("keep-shm", StopFaults(keep_shm=True)),
        ("9=keep-shm", StopFaults(keep_shm=True)),
        ("8=keep-shm", StopFaults()),
        ("9=keep-shm,exit:3", StopFaults(keep_shm=True, exit_code=3)),
        ("9=keep-gpu,8=hang", StopFaults(keep_gpu=True)),
        ("keep-gpu-unmarked", StopFaults(keep_gpu_unmarked=True)),
        ("slow-gpu:1.5, 9=slow-gpu:4", StopFaults(gpu_back_s=4)),
        ("hang", StopFaults(hang=True)),
    ],
)
def test_faults_of_rank_9(text: str, faults: StopFaults) -> None:
    assert parse_stop_faults(text, 9) == faults


@pytest.mark.parametrize(
    "text",
    ["keep", "keep-shm:1", "9", "x=hang", "=hang", "slow-gpu", "slow-gpu:-1", "exit:0", "1=exit:x"],
)
def test_a_slip_names_its_variable_on_every_rank(text: str) -> None:
    with pytest.raises(ValueError, match=f"{settings.STOP}: expected"):
        settings.stop_faults(9, {settings.STOP: text})


@contextmanager
def left_behind(environment: dict[str, str]) -> Iterator[Path]:
    """Leave a child behind with one descriptor; give its folder in /proc."""
    with Path("/dev/null").open() as device:
        pid = leave_behind([device.fileno()], environment)
        try:
            yield Path(f"/proc/{pid}")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_a_child_left_behind_is_alone_in_its_session_with_the_descriptors() -> None:
    with left_behind({}) as process:
        opened = [link.readlink() for link in (process / "fd").iterdir()]
        session = os.getsid(int(process.name))
        name = (process / "comm").read_text().strip()

    assert opened.count(Path("/dev/null")) == 4
    assert len(opened) == 4
    assert session == int(process.name)
    assert name == NAME


@pytest.mark.parametrize("marked", [True, False])
def test_a_child_left_behind_is_known_by_its_environment_or_not(*, marked: bool) -> None:
    name, _, value = MARK.partition("=")
    with left_behind({name: value} if marked else {}) as process:
        environment = (process / "environ").read_bytes().split(b"\0")

    assert (MARK.encode() in environment) is marked


def test_an_engine_that_is_shut_down_leaves_what_its_rank_was_told_to(
    engines: Any, gpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.STOP, "0=slow-gpu:60")
    engine = engines.make(tensor_parallel_size=2)

    engine.llm.shutdown()

    left = holdings(gpus / "holders")
    assert {holding.pid for holding in left} == {None}
    assert len({holding.gpu_uuid for holding in left}) == 1


def test_a_slip_is_an_error_of_loading(engines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.STOP, "keep")

    with pytest.raises(RuntimeError, match="Executor worker returned error"):
        engines.make()


def test_an_exit_code_is_that_of_the_rank(gpus: Path) -> None:
    """The code comes after the end of the world: the others leave as ever."""
    packages = Path(settings.__file__).parents[2]
    done = subprocess.run(
        ["python3", "-c", LEAVES],
        env={**os.environ, "PYTHONPATH": str(packages), "EMULATED_GPU_FOLDER": str(gpus)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (done.returncode, done.stdout) == (3, "finalized\n")


LEAVES = """
from tensorrt_llm._emulation.rank import Rank
from tensorrt_llm._emulation.stop_faults import StopFaults
from tensorrt_llm._emulation.world import World

class Told(World):
    def finalize(self):
        print("finalized")

rank = Rank(Told())
rank.engine.faults = StopFaults(exit_code=3)
rank.events.later(0, rank.leave)
rank.run()
"""
