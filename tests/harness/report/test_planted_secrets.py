"""A run with planted secrets, for real: none is in any file that it leaves, the report included."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.settings import PROJECT_ROOT
from harness.verdict_file import read_object
from reports.render import render
from tests.harness.serving.misbehaving import misbehaving

TESTS = "tests/serving/test_attached.py::TestForms"
PLANTED = {
    # Also the name of the model: it is in every request, and in every answer.
    "HF_TOKEN": "planted-model/planted-1",
    "OPENAI_API_KEY": "planted-key-2",
    "NIGHTLY_PASSWORD": 'planted "3" <&>',
    "HTTPS_PROXY": "http://planted-user:planted-4@127.0.0.1:9",
    "PLANTED_HEADER": "Authorization: Bearer planted-5.abc",
    "PLANTED_URL": "http://somebody:planted-6@db.example.com/",
}
SECRETS = [
    "planted-1", "planted-key-2", 'planted "3" <&>', "planted-4", "planted-5", "planted-6",
    r"planted \"3\" <&>", "planted &quot;3&quot; &lt;&amp;&gt;", 'planted "3" &lt;&amp;&gt;',
]  # fmt: skip
PLUGIN = """
import os, pytest, signal

@pytest.fixture(autouse=True)
def leak(request):
    yield
    told = " ".join(value for name, value in os.environ.items() if "planted" in value)
    print("a test prints", told)
    if "chat_is_answered_whole[system-unary]" in request.node.name:
        if os.environ.get("KILLED"):
            write_a_log(request.config)
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError(f"the cluster says {told}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    write_a_log(session.config)


def write_a_log(config):
    from fixtures.run import STATE
    directory = config.stash[STATE].directory
    (directory.logs("agg") / "worker.out.log").write_text("0: " + os.environ["NIGHTLY_PASSWORD"])
"""


@dataclass(frozen=True)
class Leaked:
    """What a run with planted secrets left."""

    run_dir: Path
    output: str


def run_leaking(folder: Path, *more: str, endpoint: str = "") -> Leaked:
    (folder / "leaking.py").write_text(PLUGIN, encoding="utf-8")
    with misbehaving(None, "--token-ms", "1", "--model", PLANTED["HF_TOKEN"]) as url:
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "leaking",
                TESTS, "--endpoint", endpoint or url, "--run-dir", str(folder / "run"), *more,
            ],
            cwd=PROJECT_ROOT, capture_output=True, check=False, text=True, timeout=120,
            env={
                **{name: value for name, value in os.environ.items() if "PYTEST" not in name},
                **PLANTED, "PYTHONPATH": str(folder), "NO_PROXY": "*",
            },
        )  # fmt: skip
    return Leaked(folder / "run", done.stdout + done.stderr)


def contents(run_dir: Path) -> dict[str, str]:
    """Return all files as text, and of a page also what it carries in base64."""
    found = {}
    for path in sorted(run_dir.rglob("*")):
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            for blob in re.findall(r'"([A-Za-z0-9+/=]{200,})"', text):
                text += base64.b64decode(blob + "==").decode("utf-8", "replace")
            found[path.relative_to(run_dir).as_posix()] = text
    return found


def shown_in(files: dict[str, str]) -> set[tuple[str, str]]:
    """Return every secret that a file shows, with the file's name."""
    return {(name, secret) for name, text in files.items() for secret in SECRETS if secret in text}


@pytest.mark.slow
def test_planted_secrets_are_in_no_file_of_a_run(tmp_path: Path) -> None:
    done = run_leaking(tmp_path)
    render(done.run_dir, say=print)
    files = contents(done.run_dir)

    assert shown_in(files) == set()
    assert [secret for secret in SECRETS if secret in done.output] == []
    leaky = {name for name, text in files.items() if "[redacted]" in text or "****" in text}
    assert {"junit.xml", "records.jsonl", "verdict.json", "report.html"} <= leaky
    assert {"logs/agg/worker.out.log", "facts.json"} <= leaky
    assert any(name.endswith("-attachment.txt") for name in leaky)
    assert any(name.endswith("-result.json") for name in leaky)
    assert read_object(done.run_dir / "verdict.json")["verdict"] == "HARNESS"


@pytest.mark.slow
def test_a_killed_run_shows_its_secrets_no_more_once_it_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLED", "yes")
    done = run_leaking(tmp_path)
    raw = {name for name, _ in shown_in(contents(done.run_dir))}
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    main(["verdict", str(done.run_dir)])
    files = contents(done.run_dir)

    assert raw == {"logs/agg/worker.out.log"}
    assert shown_in(files) == set()
    assert "[redacted]" in files["logs/agg/worker.out.log"]
    assert "never ran" in files["junit.xml"]


@pytest.mark.slow
def test_a_password_in_the_endpoint_is_refused_and_not_written(tmp_path: Path) -> None:
    done = run_leaking(tmp_path, endpoint="http://somebody:planted-6@127.0.0.1:9")
    files = contents(done.run_dir)

    assert "without user and password" in done.output
    assert not [name for name, text in files.items() if "planted-6" in text]
