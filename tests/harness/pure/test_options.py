"""The command line: what is wrong with it ends pytest within seconds, with one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.settings import PROJECT_ROOT, SITE_ONLY, Settings, option_name

Ended = subprocess.CompletedProcess[str]
Suite = Callable[..., Ended]

USAGE = 4
CONFIG = 12
SECONDS = 30.0
"""Deadline of one invocation; one or two are usual."""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Run the suite outside of any allocation, on a machine without Slurm."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}

    def invoke(*arguments: str, **variables: str) -> Ended:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "tests/agg", "-p", "no:cacheprovider", *arguments],
            capture_output=True,
            check=False,
            cwd=PROJECT_ROOT,
            encoding="utf-8",
            env={**kept, "PATH": str(tmp_path / "nothing"), **variables},
            timeout=SECONDS,
        )

    return invoke


def said(ended: Ended) -> str:
    """Return all that was printed, which is never a traceback."""
    text = ended.stdout + ended.stderr
    assert "Traceback (most recent call last)" not in text
    assert "INTERNALERROR" not in text
    return text


def planned(suite: Suite, *arguments: str, **variables: str) -> str:
    """Return what the suite says instead of a plan, in its one message."""
    ended = suite("--nodes", "4", "--plan", *arguments, **variables)
    text = said(ended)
    assert ended.returncode == CONFIG
    assert text.count("[CONFIG]") == 1
    assert "srun" not in text
    return text


def test_the_plan_needs_no_slurm_and_shows_every_step(suite: Suite) -> None:
    ended = suite("--nodes", "4", "--plan")
    text = said(ended)

    assert ended.returncode == 0
    assert "deployment agg: head node node1" in text
    assert text.count("start_trtllm_worker.sh") == 5
    assert text.count("start_frontend_services.sh") == 2


def test_the_plan_leaves_nothing_behind(suite: Suite, tmp_path: Path) -> None:
    suite("--nodes", "4", "--plan", "--run-dir", str(tmp_path / "run"))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", ["0", "x", "-4", "4.0", ""])
def test_a_number_of_nodes_is_a_number_of_nodes(suite: Suite, count: str) -> None:
    ended = suite(f"--nodes={count}", "--plan")

    assert ended.returncode == USAGE
    assert f"argument --nodes: {count!r} is not a number of nodes (1 or more)" in said(ended)


def test_an_unknown_site_is_named_with_the_known_ones(suite: Suite) -> None:
    text = planned(suite, "--site", "nope")

    assert "clusters/nope.yaml; known sites: gb200-example, testbed" in text


def test_a_misspelt_key_of_a_site_is_named_with_file_and_line(suite: Suite, tmp_path: Path) -> None:
    site = tmp_path / "here.yaml"
    site.write_text("image: /a.sqsh\nnum_node: 4\n")

    text = planned(suite, "--site", str(site.with_suffix("")))

    assert f"{site}:2: unknown key `num_node`" in text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"NUM_NODES": "abc"}, "environment variable NUM_NODES: NUM_NODES='abc'"),
        ({"MOUNTS": "mnt"}, "MOUNTS: `mnt` is not a mount"),
        ({"NUM_NODES": "2"}, "8 GPUs, 2 nodes x 4, seen 16"),
        ({"NUM_GPUS_PER_NODE": "8"}, "32 GPUs, 4 nodes x 8, seen 16"),
        ({"NUM_NODES": "5"}, "topology agg needs 5 nodes (1 aggregated x 5), the run has 4"),
        ({"ENGINE_CONFIG": "/mnt/none.yaml"}, "engine config /mnt/none.yaml does not exist"),
        ({"ENGINE_CONFIG": "/other/a.yaml"}, "/other/a.yaml lies under no mount"),
        ({"DYNAMO_RELEASE": "0.1"}, "DYNAMO_RELEASE='0.1'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_setting_that_cannot_work_ends_the_plan(
    suite: Suite, variables: dict[str, str], words: str
) -> None:
    assert words in planned(suite, **variables)


def test_the_command_line_counts_before_the_environment(suite: Suite) -> None:
    text = planned(suite, "--num-nodes", "3", NUM_NODES="4")

    assert "12 GPUs, 3 nodes x 4" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-m", "agg"), USAGE, "tests of a deployment need a node budget"),
        (("-m", "agg", "--nodes", "4", "-n", "2"), USAGE, "--nodes or --endpoint takes no -n"),
        (("--plan",), CONFIG, "a plan needs a node budget"),
        (("--plan", "--nodes", "4", "-k", "no_such"), CONFIG, "no collected test needs"),
    ],
)
def test_a_command_line_that_cannot_work_is_answered(
    suite: Suite, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended = suite(*arguments)

    assert words in said(ended)
    assert ended.returncode == code


def test_outside_of_an_allocation_the_run_says_so_and_keeps_its_verdict(
    suite: Suite, tmp_path: Path
) -> None:
    ended = suite("--nodes", "4", "--run-dir", str(tmp_path / "run"))
    text = said(ended)
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())

    assert ended.returncode == CONFIG
    assert text.count("PlanError [CONFIG]: not inside a Slurm allocation") == 1
    assert "verdict: CONFIG (0 passed, 0 failed, 0 not run" in text
    assert verdict["verdict"] == "CONFIG"


def test_more_nodes_than_the_allocation_has_are_refused(suite: Suite) -> None:
    job = {"SLURM_JOB_ID": "453374", "SLURM_JOB_NODELIST": "node[1-2]"}

    text = planned(suite, **job)

    assert "--nodes 4: job 453374 has 2 nodes (node1, node2)" in text


def test_help_documents_every_setting_with_its_variable(suite: Suite) -> None:
    text = " ".join(said(suite("--help")).split())

    for name in set(Settings.model_fields) - SITE_ONLY:
        assert f"{option_name(name)}=VALUE" in text
        assert f"environment: {name.upper()}" in text
