"""A testbed of its own, on which the suite runs as for a user, while somebody breaks something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.deadline import Deadline, wait_until
from harness.nodes.lines import read_output
from harness.settings import PROJECT_ROOT

PROBE = PROJECT_ROOT / "harness" / "nodes" / "probe.py"
RUN_S = 240.0
COMMAND_S = 60.0


@dataclass(frozen=True)
class Ended:
    """A run of the suite that has ended: exit code, output, verdict, and when (monotonic clock)."""

    exit_code: int
    output: str
    verdict: Mapping[str, Any]
    ended_s: float

    @property
    def failed(self) -> list[str]:
        """Names of the failed tests, without their files."""
        return [test.rpartition("::")[2] for test in self.verdict["failures"]]


class SuiteRun:
    """A running suite."""

    def __init__(self, process: subprocess.Popen[str], run_dir: Path) -> None:
        self.run_dir = run_dir
        self._process = process

    def wait_for_event(self, name: str, *, times: int = 1) -> None:
        """Wait until the run has noted an event so many times."""
        log = self.run_dir / "events.jsonl"

        def happened() -> bool:
            if self._process.poll() is not None:
                raise AssertionError(
                    f"the run ended before {name!r}: {self._process.communicate()[0]}"
                )
            lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
            return [json.loads(line)["event"] for line in lines].count(name) >= times

        assert wait_until(happened, Deadline.after(RUN_S)), f"no event {name!r}"

    def time_of(self, name: str) -> float:
        """Return when the first event of a name was noted, in seconds since the epoch."""
        lines = (self.run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
        return float(next(e["at"] for e in map(json.loads, lines) if e["event"] == name))

    def wait_for_log(self, pattern: str, text: str) -> None:
        """Wait until a log of the run holds a text."""

        def said() -> bool:
            logs = self.run_dir.glob(pattern)
            return any(text in log.read_text(encoding="utf-8", errors="replace") for log in logs)

        assert wait_until(said, Deadline.after(RUN_S)), f"{text!r} in no {pattern}"

    def end(self) -> Ended:
        """Wait for the end of the run."""
        output, _ = self._process.communicate(timeout=RUN_S)
        ended_s = time.monotonic()
        verdict = json.loads((self.run_dir / "verdict.json").read_text(encoding="utf-8"))
        return Ended(self._process.returncode, output, verdict, ended_s)


class World:
    """One testbed, by its command line alone."""

    def __init__(self, state: Path, run_root: Path) -> None:
        self._environment = {**os.environ, "TESTBED_STATE": str(state)}
        self._run_root = run_root
        self._runs = 0

    def up(self) -> None:
        """Bring it up with 4 nodes."""
        self._call("up", "--nodes", "4", timeout_s=180)

    def down(self) -> None:
        """Take it down."""
        self._call("down")

    def start_suite(
        self, *arguments: str, mark: str = "agg", before: Sequence[str] = (), **variables: str
    ) -> SuiteRun:
        """Start ``pytest -m agg --nodes 4`` with more arguments and variables in an allocation.

        ``before`` is a command that is given pytest's as its last words.
        """
        self._runs += 1
        run_dir = self._run_root / f"run-{self._runs}"
        words = [*before, "pytest", "-m", mark, "--nodes", "4", "-p", "no:cacheprovider"]
        command = [*self._command("run", "--nodes", "4"), "--", *words, *arguments]
        process = subprocess.Popen(
            [*command, "--run-dir", str(run_dir)],
            cwd=PROJECT_ROOT,
            env={**self._environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return SuiteRun(process, run_dir)

    def run_suite(
        self, *arguments: str, mark: str = "agg", before: Sequence[str] = (), **variables: str
    ) -> Ended:
        """Run the suite to its end."""
        return self.start_suite(*arguments, mark=mark, before=before, **variables).end()

    def on_node(self, node: str, *command: str) -> str:
        """Run a command on a node, outside of Slurm, as an operator would."""
        return self._call("exec", node, "--", *command)

    def start_on_node(self, node: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a command on a node, outside of Slurm."""
        return subprocess.Popen(
            [*self._command("exec", node), "--", *command],
            cwd=PROJECT_ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill_rank(self, node: str, rank: int, *, job: str) -> float:
        """Kill the MPI process of a rank with SIGKILL; return when, in seconds since the epoch."""
        [pid] = [
            process["pid"]
            for process in self._processes(node, job)
            if process["rank"] == rank
            and "mgmn_" in process["cmdline"]
            and "python" in process["name"]
        ]
        killed_at = time.time()
        self.on_node(node, "kill", "-KILL", str(pid))
        return killed_at

    def _processes(self, node: str, job: str) -> list[dict[str, Any]]:
        output = self.on_node(node, "python3", "-I", "-S", str(PROBE), "--job", job)
        found: list[dict[str, Any]] = _document(output)["processes"]
        return found

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "testbed", *words]

    def _call(self, *words: str, timeout_s: float = COMMAND_S) -> str:
        done = subprocess.run(
            self._command(*words),
            capture_output=True,
            check=False,
            cwd=PROJECT_ROOT,
            env=self._environment,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, f"testbed {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout


def _document(output: str) -> dict[str, Any]:
    """Return the probe's document, which comes in parts when it is long."""
    [document] = read_output(output).documents
    return dict(document)
