"""A testbed of its own, on which the suite runs as for a user, while somebody breaks something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.deadline import Deadline, wait_until
from harness.settings import PROJECT_ROOT

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

    @property
    def nothing_deployed(self) -> bool:
        """Whether the tests of deployments did not run, each for the cause that is a failure."""
        tests = [test.rpartition("::")[2] for test in self.verdict["not_run"]]
        return any(test.startswith("test_deployment_becomes_ready") for test in tests)


class SuiteRun:
    """A running suite."""

    def __init__(self, process: subprocess.Popen[str], run_dir: Path) -> None:
        self.run_dir = run_dir
        self._process = process

    @property
    def exit_code(self) -> int:
        """pytest's exit code, once the run has ended."""
        return self._process.wait(RUN_S)

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

    def events(self) -> list[dict[str, Any]]:
        """Return the events that the run has noted."""
        lines = (self.run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def snapshots(self, moment: str) -> list[Path]:
        """Return the files of the snapshots of a moment, in their order."""
        return sorted((self.run_dir / "snapshots").glob(f"*-{moment}.json"))

    def wait_for_log(self, pattern: str, text: str) -> None:
        """Wait until a log of the run holds a text."""

        def said() -> bool:
            if self._process.poll() is not None:
                raise AssertionError(f"the run ended before {text!r}: {self.wait()}")
            logs = self.run_dir.glob(pattern)
            return any(text in log.read_text(encoding="utf-8", errors="replace") for log in logs)

        assert wait_until(said, Deadline.after(RUN_S)), f"{text!r} in no {pattern}"

    def ask_to_end(self) -> None:
        """Send SIGTERM to the run, as somebody would who is tired of waiting."""
        self._process.terminate()

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    def wait(self) -> str:
        """Wait for the end of a run that may leave no verdict; return its output."""
        return self._process.communicate(timeout=RUN_S)[0]

    def end(self) -> Ended:
        """Wait for the end of the run."""
        output, _ = self._process.communicate(timeout=RUN_S)
        ended_s = time.monotonic()
        verdict = json.loads((self.run_dir / "verdict.json").read_text(encoding="utf-8"))
        return Ended(self._process.returncode, output, verdict, ended_s)


class Shell:
    """The shell of an allocation; it waits at a fifo when the suite has ended, until it may go."""

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo
        self.before = ("bash", "-c", '"$@"; read -r <"$0"', str(fifo))

    def leave(self) -> None:
        """Let the shell end, and with it the job; nothing happens if none waits."""
        try:
            fifo = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return  # nobody reads
        os.write(fifo, b"leave\n")
        os.close(fifo)


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
        self,
        *arguments: str,
        mark: str = "agg",
        before: Sequence[str] = (),
        options: Sequence[str] = (),
        **variables: str,
    ) -> SuiteRun:
        """Start ``pytest -m agg --nodes 4`` with more arguments and variables in an allocation.

        ``before`` is a command that is given pytest's as its last words; ``options`` are of the
        testbed's ``run``.
        """
        self._runs += 1
        run_dir = self._run_root / f"run-{self._runs}"
        words = [*before, "pytest", "-m", mark, "--nodes", "4", "-p", "no:cacheprovider"]
        run = self._command("run", "--nodes", "4", *options)
        command = [*run, "--", *words, *arguments]
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

    @contextmanager
    def shell(self) -> Iterator[Shell]:
        """Give a shell in which the suite can be started, and whose job goes on after it."""
        fifo = self._run_root / "leave"
        self._run_root.mkdir(exist_ok=True)
        os.mkfifo(fifo)
        shell = Shell(fifo)
        try:
            yield shell
        finally:
            shell.leave()
            fifo.unlink()

    @contextmanager
    def broken_by(self, fault: str) -> Iterator[float]:
        """Have a fault of the library; give when it was provoked, in seconds since the epoch."""
        with self.prepared(fault):
            yield self.inject(fault)

    @contextmanager
    def prepared(self, fault: str) -> Iterator[None]:
        """Have what a run needs before a fault; at the end it and the fault are taken away."""
        self._call("fault", "inject", fault, "--prepare")
        try:
            yield
        finally:
            self._call("fault", "clear")

    def inject(self, fault: str) -> float:
        """Provoke a fault of the library now; return when, in seconds since the epoch."""
        return float(self._call("fault", "inject", fault).split()[0])

    def status(self) -> str:
        """Return the testbed's status as JSON, with or without problems in it."""
        return self._try("status", "--json").stdout

    def jobs(self) -> list[str]:
        """Return the ids of the jobs that run."""
        return [job["job_id"] for job in json.loads(self.status())["jobs"]]

    def wait_no_job(self, budget_s: float) -> None:
        """Wait until no job holds a node."""
        gone = wait_until(lambda: not self.jobs(), Deadline.after(budget_s))
        assert gone, f"still there: jobs {self.jobs()}"

    def on_node(self, node: str, *command: str) -> str:
        """Run a command on a node, outside of Slurm, as an operator would."""
        return self._call("exec", node, "--", *command)

    def try_on_node(self, node: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a node, whatever its exit code."""
        return self._try("exec", node, "--", *command)

    def step_of(self, part: str) -> str:
        """Return the id of the step whose name ends in a part of a run."""
        [step] = [
            str(step["step_id"])
            for step in json.loads(self.status())["steps"]
            if step["name"].endswith(f"-{part}")
        ]
        return step

    def shm_files(self, node: str) -> list[str]:
        """Return the names of the files in a node's /dev/shm."""
        return self.on_node(node, "ls", "/dev/shm").split()

    def gpu_uuids(self, node: str) -> list[str]:
        """Return the UUIDs of a node's GPUs, in their order."""
        query = ("--query-gpu=uuid", "--format=csv,noheader")
        return self.on_node(node, "nvidia-smi", *query).split()

    def gpu_processes(self, node: str, name: str) -> list[str]:
        """Return the pids of the processes of a name that the driver shows on a node."""
        query = ("--query-compute-apps=pid,name", "--format=csv,noheader")
        rows = [line.split(", ") for line in self.on_node(node, "nvidia-smi", *query).splitlines()]
        return [pid for pid, process in rows if process == name]

    def reset_gpus(self, node: str) -> None:
        """Free the memory that no process holds and the driver has not got back yet."""
        holders = "/run/emulated-gpu/holders"
        self.on_node(node, "find", holders, "-name", "*.json", "-delete")

    def end_processes(self, node: str, name: str) -> None:
        """Kill the processes of a name on a node, by their pids."""
        rows = [
            line.split(None, 1) for line in self.on_node(node, "ps", "-eo", "pid,comm").splitlines()
        ]
        if pids := [pid for pid, command in rows if command == name]:
            self.on_node(node, "kill", "-KILL", *pids)

    def slurmctld(self, action: str) -> None:
        """Stop, start or restart slurmctld."""
        self._call("slurmctld", action)

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

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "testbed", *words]

    def _call(self, *words: str, timeout_s: float = COMMAND_S) -> str:
        done = self._try(*words, timeout_s=timeout_s)
        assert done.returncode == 0, f"testbed {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _try(self, *words: str, timeout_s: float = COMMAND_S) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*words),
            capture_output=True,
            check=False,
            cwd=PROJECT_ROOT,
            env=self._environment,
            text=True,
            timeout=timeout_s,
        )
