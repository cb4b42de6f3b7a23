"""The files that start a night: one script does the work, and pipelines only submit it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.nightly import WIND_DOWN_S
from ci.submit_nightly import DEADLINE_H

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "ci" / "nightly.sbatch"
GITHUB = ROOT / ".github" / "workflows" / "nightly.yml"
GITLAB = ROOT / "ci" / "gitlab-nightly.yml"
SUBMIT = ".venv/bin/python -m ci.submit_nightly --publish nightly-out"


def read(path: Path) -> Mapping[Any, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def directives() -> dict[str, str]:
    """Return the script's options of sbatch."""
    found = re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", SCRIPT.read_text(), re.MULTILINE)
    return dict(found)


def test_the_script_asks_for_the_nodes_of_both_jobs_and_may_be_requeued() -> None:
    options = directives()

    assert options["nodes"] == "8"
    assert {"exclusive", "requeue"} <= set(options)
    assert options["open-mode"] == "append"  # or a requeued night would lose its first log


def test_the_script_is_told_of_its_end_early_enough_to_wind_down() -> None:
    to_whom, _, before_s = directives()["signal"].partition("@")

    assert to_whom == "B:TERM"
    assert float(before_s) - WIND_DOWN_S >= 120  # for verdict, summary and report


def test_the_script_says_where_it_has_to_be_submitted(tmp_path: Path) -> None:
    said = subprocess.run(
        ["bash", SCRIPT], capture_output=True, check=False, cwd=tmp_path, text=True, timeout=10
    )

    assert said.returncode == 15
    assert f"{tmp_path} is no checkout with a .venv" in said.stderr
    assert "--chdir=CHECKOUT" in said.stderr


def test_github_only_installs_submits_and_publishes() -> None:
    workflow = read(GITHUB)
    [job] = workflow["jobs"].values()

    assert job["runs-on"] == ["self-hosted", "slurm"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [
        "ci/venv.sh",
        f'{SUBMIT} --summary "$GITHUB_STEP_SUMMARY"',
    ]
    assert job["timeout-minutes"] > DEADLINE_H * 60


def test_github_s_actions_are_pinned_by_version() -> None:
    [job] = read(GITHUB)["jobs"].values()
    used = [step["uses"] for step in job["steps"] if "uses" in step]

    assert [each.partition("@")[0] for each in used] == [
        "actions/checkout",
        "actions/upload-artifact",
    ]
    assert all(re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", each) for each in used)


def test_github_publishes_also_when_the_night_failed() -> None:
    [job] = read(GITHUB)["jobs"].values()
    upload = job["steps"][-1]

    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "nightly-out"


def test_gitlab_only_installs_submits_and_publishes() -> None:
    [job] = read(GITLAB).values()

    assert job["tags"] == ["slurm"]
    assert job["script"] == ["ci/venv.sh", SUBMIT]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["paths"] == ["nightly-out/"]
    assert int(job["timeout"].removesuffix("h")) > DEADLINE_H


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_a_pipeline_keeps_what_outlives_a_night(path: Path) -> None:
    """Their clean-up of the checkout would take .venv, and the nights of an archive in it."""
    [job] = (read(path).get("jobs") or read(path)).values()
    checkout = job["steps"][0]["with"]["clean"] if "steps" in job else None

    assert checkout is False or job["variables"]["GIT_CLEAN_FLAGS"] == "none"
