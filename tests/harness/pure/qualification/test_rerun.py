"""The command that asks one test again selects that test, and no other."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

from harness.judge_run import TestState
from harness.qualification.rerun import rerun_command, selection_of
from harness.qualification.rows import ResultRow
from harness.settings import PROJECT_ROOT

REPLICAS = "tests/agg/test_shutdown.py::TestShutdown::test_no_step_is_left[agg-replicas]"
SCALING = "tests/agg/test_scaling.py::TestScaling"


def row(test: str, topology: str) -> ResultRow:
    return ResultRow(test, topology, "serve", "x", "", outcome=TestState.FAILED)


def collected(*options: str) -> list[str]:
    """Return the ids that pytest collects in the suite with options."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
         "--ignore", "tests/harness", *options],
        capture_output=True, check=False, cwd=PROJECT_ROOT, encoding="utf-8", timeout=60,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "topology"),
    [
        (REPLICAS, "agg-replicas"),
        (REPLICAS.replace("agg-replicas", "agg"), "agg"),
        ("tests/agg/test_preflight.py::TestNodes::test_every_gpu_is_healthy", "agg"),
        ("tests/disagg/test_preflight.py::TestNodes::test_every_gpu_is_healthy", "disagg"),
        (f"{SCALING}::test_every_replica_is_seen_serving[2-agg-up-to-4]", "agg-replicas"),
    ],
)
def test_the_suite_selects_one_test(test: str, topology: str) -> None:
    expression = selection_of(row(test, topology))

    assert collected("-m", "agg or disagg", "-k", expression) == [test]


def test_the_command_of_the_run_is_kept_but_for_its_own_selection_and_folder() -> None:
    command = "pytest -m 'agg or disagg' -k 'not x' --nodes 8 --run-dir /a --junitxml=b --site c"
    again = shlex.split(rerun_command(command, row(REPLICAS, "agg-replicas"), {}))

    assert again == [
        "pytest", "-m", "agg or disagg", "--nodes", "8", "--site", "c", "-k",
        "TestShutdown and test_no_step_is_left[agg-replicas] and agg-replicas",
    ]  # fmt: skip


def test_settings_that_came_from_variables_stand_before_the_command() -> None:
    variables = {"NUM_NODES": "1", "IMAGE": "/a b.sqsh"}
    again = rerun_command("pytest -m agg", row("a.py::test_b", ""), variables)

    assert again == "NUM_NODES=1 IMAGE='/a b.sqsh' pytest -m agg -k test_b"


@pytest.mark.parametrize("parameter", ["Once upon a time", json.dumps("\u6771"), "def f(n):\\n"])
def test_a_parameter_that_cannot_be_said_is_left_out(parameter: str) -> None:
    odd = f"tests/agg/test_serving.py::TestForms::test_plain[{parameter}]"

    assert selection_of(row(odd, "disagg-mixed")) == "TestForms and test_plain and disagg-mixed"


def test_a_topology_that_nobody_knows_is_not_selected_by() -> None:
    assert selection_of(replace(row("a.py::test_b", ""), topology="")) == "test_b"
