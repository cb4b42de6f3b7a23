"""The command line of an attached run: what is collected, what cannot work, and one whole run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.judge import main as judge
from harness.features import Feature
from harness.settings import PROJECT_ROOT
from tests.harness.pure.serving_kit import (
    MODEL,
    Chunk,
    answer,
    framed,
    plain_chunks,
    read_request,
    serving,
)

Ended = subprocess.CompletedProcess[str]
Suite = Callable[..., Ended]

USAGE, CONFIG, NOTHING_COLLECTED = 4, 12, 5
SECONDS = 30.0
NOWHERE = "http://no-such-host.invalid:8000"
KEY = "sk-not-a-real-key-4711"
PLAIN_STREAM = "test_plain_stream_has_no_usage_unless_asked_for"
"""A test that sends one request."""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Run the suite on a machine without Slurm; the run directory is ``run`` of the test's own."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}

    def invoke(*arguments: str, **variables: str) -> Ended:
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
                *("--run-dir", str(tmp_path / "run"), *arguments),
            ],
            capture_output=True,
            check=False,
            cwd=PROJECT_ROOT,
            encoding="utf-8",
            env={**kept, "PATH": str(tmp_path / "nothing"), **variables},
            timeout=SECONDS,
        )
        assert "Traceback (most recent call last)" not in ended.stdout + ended.stderr
        assert "INTERNALERROR" not in ended.stdout + ended.stderr
        return ended

    return invoke


def folders(ended: Ended) -> set[str]:
    """Return the folders of the collected tests."""
    return {"/".join(line.split("/")[:2]) for line in ended.stdout.splitlines() if "::" in line}


def configured(ended: Ended, run: Path) -> str:
    """Return the one message of a run that could not work; its verdict is kept."""
    assert ended.returncode == CONFIG
    assert ended.stdout.count("[CONFIG]: ") == 1
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "CONFIG"
    return ended.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--nodes", "4"), "--endpoint needs no nodes: give it or --nodes, not both"),
        (("-n", "2"), "a run with --nodes or --endpoint takes no -n: tests share it"),
    ],
)
def test_endpoint_goes_with_neither_nodes_nor_processes(
    suite: Suite, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    ended = suite("tests/serving", "--endpoint", NOWHERE, *arguments)

    assert ended.returncode == USAGE
    assert words in ended.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["node1:8000", "http://", "http://node1:http", "https:/node1"])
def test_malformed_endpoint_is_named(suite: Suite, tmp_path: Path, address: str) -> None:
    text = configured(suite("-m", "serving", "--endpoint", address), tmp_path / "run")

    assert "SettingsError [CONFIG]: expected an address such as http://host:8000" in text
    assert f"seen {address!r}" in text


def test_unreachable_endpoint_ends_the_run_with_one_message(suite: Suite, tmp_path: Path) -> None:
    text = configured(suite("-m", "serving", "--endpoint", NOWHERE), tmp_path / "run")

    assert f"EndpointUnusable [CONFIG]: expected an OpenAI-compatible server at {NOWHERE}" in text


def test_endpoint_collects_its_own_tests_alone(suite: Suite) -> None:
    ended = suite("-m", "serving", "--endpoint", NOWHERE, "--collect-only", "-q")

    assert ended.returncode == 0
    assert folders(ended) == {"tests/serving"}


def test_without_an_endpoint_its_tests_are_left_out(suite: Suite) -> None:
    ended = suite("-m", "serving", "--nodes", "4", "--collect-only", "-q")
    alone = suite("tests/serving", "--collect-only", "-q")

    assert folders(ended) == {"tests/agg", "tests/disagg"}
    assert alone.returncode == NOTHING_COLLECTED
    assert folders(alone) == set()


def test_misspelt_feature_is_named_with_the_known_ones(suite: Suite, tmp_path: Path) -> None:
    ended = suite("-m", "serving", "--endpoint", NOWHERE, "--declared-features", "stop,tols")
    text = configured(ended, tmp_path / "run")

    assert "--declared-features: DECLARED_FEATURES='stop,tols': " in text
    assert "no feature is called 'tols'" in text
    assert f"known: {', '.join(Feature)}" in text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("gap_p51 at 8", "{value: 1, unit: s, lower: 1, upper: 1}", "seen 'gap_p51 at 8'"),
        ("gap_p50 at 8", "{value: 1, unit: ms, lower: 1, upper: 1}", "is in s, not in ms"),
        ("gap_p50 at 8", "{value: 1, unit: s, lower: 2, upper: 3}", "REFERENCES.attached.gap_p50"),
    ],
    ids=["name", "unit", "bounds"],
)
def test_wrong_reference_of_a_site_is_named_with_file_and_key(
    suite: Suite, tmp_path: Path, name: str, value: str, words: str
) -> None:
    site = tmp_path / "here.yaml"
    site.write_text(f"references:\n  attached:\n    {name}: {value}\n")
    arguments = ("-m", "serving", "--endpoint", NOWHERE, "--site", str(site.with_suffix("")))
    text = configured(suite(*arguments), tmp_path / "run")

    assert f"{site}:1: REFERENCES" in text
    assert words in text


def plain_server(seen: list[bytes], chunks: list[Chunk]) -> Callable[[socket.socket], None]:
    """Return a script that lists one model and answers all else with a stream of ``chunks``."""
    listed = json.dumps({"data": [{"id": MODEL}]}).encode()

    def script(peer: socket.socket) -> None:
        seen.append(read_request(peer))
        stream = answer(framed(chunks), kind="text/event-stream")
        peer.sendall(answer(listed) if seen[-1].startswith(b"GET") else stream)

    return script


@pytest.mark.parametrize(
    ("chunks", "code"),
    [(plain_chunks(["upon ", "a time"])[:-1], 0), (plain_chunks(["upon "]), 1)],
    ids=["good", "usage-that-nobody-asked-for"],
)
def test_run_ends_with_its_verdict_which_its_records_give_again(
    suite: Suite, tmp_path: Path, chunks: list[Chunk], code: int
) -> None:
    seen: list[bytes] = []
    chunks[-1 - code]["choices"][0]["finish_reason"] = "stop"
    with serving(plain_server(seen, chunks)) as url:
        arguments = ("-m", "serving", "-k", PLAIN_STREAM, "--endpoint", url)
        ended = suite(*arguments, OPENAI_API_KEY=KEY)
    files = [each.read_bytes() for each in (tmp_path / "run").rglob("*") if each.is_file()]

    assert ended.returncode == code, ended.stdout
    assert judge([str(tmp_path / "run")]) == code
    assert len(seen) == 2
    assert all(f"Bearer {KEY}".encode() in each for each in seen)
    assert files
    assert not any(KEY.encode() in content for content in files)
    assert KEY not in ended.stdout + ended.stderr
