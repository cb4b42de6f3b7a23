"""Every misbehaviour of a server is caught: by the test that is about it, and by its name.

The suite runs attached to the misbehaving server, as a user would run it, with one test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.features import Feature
from harness.serving.judgement import JUDGEMENTS_FILE, load_judgements
from harness.settings import PROJECT_ROOT
from harness.verdict_file import VERDICT_FILE
from tests.harness.serving.caught import CAUGHT
from tests.harness.serving.misbehaving import MISBEHAVIOURS, misbehaving

ATTACHED = "tests/serving/test_attached.py"
AT_ONCE = 2
RUN_S = 120.0
OPTIONS = (
    "--declared-features", ",".join(Feature),
    "--context-tokens", "4096",
)  # fmt: skip
IMPATIENT = ("--stall-limit-s", "1")
"""For servers that stall: an honest one is held to the limit that a user has."""


@dataclass(frozen=True)
class Ended:
    """How the suite ended against one server."""

    output: str
    verdict: dict[str, Any]
    words: set[str]


def run_attached(name: str | None, tests: str, run_dir: Path) -> Ended:
    """Run tests of the suite against a server that misbehaves in one way."""
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    options = (*OPTIONS, *(IMPATIENT if name else ()))
    with misbehaving(name, "--stall-s", "2", "--token-ms", "1") as url:
        done = subprocess.run(
            [*command, "--endpoint", url, "--run-dir", str(run_dir), *options],
            cwd=PROJECT_ROOT,
            env={key: value for key, value in os.environ.items() if "PYTEST" not in key},
            capture_output=True,
            check=False,
            text=True,
            timeout=RUN_S,
        )
    verdict = json.loads((run_dir / VERDICT_FILE).read_text(encoding="utf-8"))
    judged = load_judgements(run_dir / JUDGEMENTS_FILE)
    words = {finding.partition(":")[0] for each in judged for finding in each.findings}
    return Ended(done.stdout, verdict, words)


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ended]]]:
    """How the suite ended against each server that a selected test is about, a few at a time."""
    selected = " ".join(item.name for item in request.session.items)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(
                run_attached, name, f"{ATTACHED}::{caught.test}", tmp_path_factory.mktemp("run")
            )
            for name, caught in CAUGHT.items()
            if f"[{name}]" in selected
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CAUGHT))
def test_misbehaviour_is_caught_by_its_name(ended: dict[str, Future[Ended]], name: str) -> None:
    seen, caught = ended[name].result(), CAUGHT[name]

    assert seen.verdict["verdict"] == "FAIL", seen.output
    assert list(seen.verdict["failures"]) == [f"{ATTACHED}::{caught.test}"], seen.output
    assert caught.word in seen.words


@pytest.mark.slow
def test_honest_server_passes_all_of_it(tmp_path: Path) -> None:
    """No false alarm, with every feature declared."""
    seen = run_attached(None, ATTACHED, tmp_path)

    assert seen.verdict["verdict"] == "PASS", seen.output
    assert not seen.words


def test_every_misbehaviour_has_a_test_that_catches_it() -> None:
    assert set(CAUGHT) == set(MISBEHAVIOURS)
