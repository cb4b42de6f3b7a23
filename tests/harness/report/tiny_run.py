"""A qualification run of four tests that need no cluster, by the suite's own plugins, for real.

How it ends is up to the caller: a test, a fixture or a hook ends pytest as the environment says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.settings import PROJECT_ROOT
from reports.identity import key_of

CONFTEST = """
import os, runpy, signal, time

ROOT = os.environ["SUITE"]
pytest_plugins = runpy.run_path(f"{ROOT}/conftest.py")["pytest_plugins"]
WAYS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(0),
    "interrupt": lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(0.2)),
    "terminate": lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(0.2)),
}


def here(place):
    if os.environ["PLACE"] == place:
        WAYS[os.environ["WAY"]]()


def pytest_runtest_logreport(report):
    if "three" in report.nodeid and report.when == "setup":
        here("between setup and call")


def pytest_runtest_logfinish(nodeid):
    if "two" in nodeid:
        here("between tests")
"""
TESTS = """
import pytest
from conftest import here

pytestmark = [pytest.mark.agg, pytest.mark.topology("agg")]


@pytest.fixture
def fragile(run):
    here("setup")
    yield
    here("teardown")


@pytest.mark.lifecycle("register")
def test_one(run):
    \"\"\"One is promised.\"\"\"


@pytest.mark.lifecycle("register")
def test_two(run):
    \"\"\"Two is promised.\"\"\"
    assert len("two") == 2


class TestMore:
    @pytest.mark.parametrize(("number", "name"), [(3, "c")])
    def test_three(self, fragile, number, name):
        \"\"\"Three is promised.\"\"\"
        here("call")

    @pytest.mark.lifecycle("shutdown")
    def test_four(self, run):
        \"\"\"Four is promised,
        in two lines.\"\"\"
"""
ONE, TWO, THREE, FOUR = (
    "test_tiny.py::test_one",
    "test_tiny.py::test_two",
    "test_tiny.py::TestMore::test_three[3-c]",
    "test_tiny.py::TestMore::test_four",
)


@dataclass(frozen=True)
class TinyRun:
    """How the run ended, and what it left."""

    exit_code: int
    output: str
    run_dir: Path

    def results(self) -> dict[str, dict[str, Any]]:
        """Allure's own results, by the name of the test."""
        files = (self.run_dir / "allure-results").glob("*-result.json")
        found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        return {key_of(result)[1]: result for result in found}

    def read(self, name: str) -> Any:
        """Return the content of a JSON file of the run."""
        return json.loads((self.run_dir / name).read_text(encoding="utf-8"))


def run_tiny(
    folder: Path,
    *arguments: str,
    way: str = "",
    place: str = "",
    run_dir: Path,
    variables: Mapping[str, str] | None = None,
) -> TinyRun:
    """Run the four tests; ``way`` is how pytest is ended, ``place`` where."""
    _write_project(folder)
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "--nodes", "4", "--run-dir", str(run_dir),
            "-c", str(PROJECT_ROOT / "pyproject.toml"), "--rootdir", str(folder),
            "--import-mode=prepend", "-p", "no:cacheprovider", str(folder / "test_tiny.py"),
            *arguments,
        ],
        capture_output=True, check=False, cwd=folder, encoding="utf-8", timeout=60,
        env={**_environment(folder, way=way, place=place), **(variables or {})},
    )  # fmt: skip
    return TinyRun(done.returncode, done.stdout + done.stderr, run_dir)


def _write_project(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_tiny.py").write_text(TESTS, encoding="utf-8")
    (folder / "image.sqsh").touch()


def _environment(folder: Path, *, way: str, place: str) -> Mapping[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT_ROOT),
        "SUITE": str(PROJECT_ROOT),
        "WAY": way,
        "PLACE": place,
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-4]",
        "HEAD_NODE_IP": "127.0.0.1",  # given, so that nobody has to ask Slurm for it
        "IMAGE": str(folder / "image.sqsh"),
        "MODEL_PATH": "nvidia/DeepSeek-R1-FP4",
    }
