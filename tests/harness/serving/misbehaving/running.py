"""Run the server as a process of its own, for the length of a ``with`` block."""

from __future__ import annotations

import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
PACKAGE = "tests.harness.serving.misbehaving"

START_BUDGET_S = 20.0
END_BUDGET_S = 5.0


@contextmanager
def misbehaving(name: str | None = None, *options: str) -> Iterator[str]:
    """Serve with a misbehaviour, or honestly, and yield the URL.

    ``options`` are more words for the command line, such as ``"--stall-s", "2"``. The server ends
    with the block, and with this process whatever ends that: its standard input closes then. One
    that has died of its misbehaviour by the end is no error.
    """
    line = [sys.executable, "-m", PACKAGE, "--until-eof", *options]
    if name is not None:
        line += ["--misbehaviour", name]
    with subprocess.Popen(
        line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _url(process)
        finally:
            _end(process)


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(START_BUDGET_S) else ""
    if not line:
        raise RuntimeError(
            f"expected the server's URL within {START_BUDGET_S:g} s, seen nothing; "
            f"exit code {process.poll()}"
        )
    return line.strip()


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(END_BUDGET_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
