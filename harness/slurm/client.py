"""The only module that runs Slurm's programs.

Every call has a deadline: srun on a drained cluster waits for ever.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.errors import SlurmError
from harness.process import CommandMissing, CommandTimeout, Completed, run
from harness.slurm.srun import StepSpec, step_environment
from harness.slurm.step import Step
from harness.slurm.words import STEPS_FORMAT, StepRow, parse_config_seconds, parse_steps

QUERY_S = 30.0
"""Deadline of squeue, scontrol and scancel, in seconds.

Slurm's own message timeout is 10 s, and a busy controller answers the second time.
"""

HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH for scripts on the nodes: they use what a node has, not what the head node's shell had."""


class Slurm:
    """Slurm's commands for one job."""

    def __init__(self, job_id: str, environ: Mapping[str, str] | None = None) -> None:
        self.job_id = job_id
        self._environ = dict(os.environ if environ is None else environ)

    def start(self, spec: StepSpec, *, stdout: Path, stderr: Path) -> Step:
        """Start a step and return at once.

        srun gets a session of its own, so that a Ctrl-C meant for pytest does not reach it: srun
        would kill the tasks instead of letting them drain.
        """
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                spec.argv(self._program("srun")),
                env=step_environment(self._environ, spec.variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return Step(spec, process, out=stdout, err=stderr)

    def run_step(
        self, spec: StepSpec, *, timeout_s: float, stdin: str = "", path: str = ""
    ) -> Completed:
        """Run a short step to its end. ``path`` replaces PATH on the nodes.

        Raises :class:`SlurmError` when it has not ended in time; the step is then cancelled.
        """
        variables = {**spec.variables, **({"PATH": path} if path else {})}
        environment = step_environment(self._environ, variables)
        try:
            return run(
                spec.argv(self._program("srun")), timeout_s=timeout_s, env=environment, stdin=stdin
            )
        except CommandTimeout as slow:
            for row in self.steps():
                if row.name == spec.name:
                    self.signal(row.step_id, "KILL")
            raise SlurmError(
                f"step {spec.name} on {', '.join(spec.nodes)} did not end: {slow.message}",
                hint="is a node down or drained? see `sinfo -R`",
            ) from slow

    def steps(self) -> list[StepRow]:
        """Return the job's running steps."""
        form = f"--format={STEPS_FORMAT}"
        argv = ["squeue", "--steps", f"--jobs={self.job_id}", "--noheader", form]
        return parse_steps(self._query(argv).stdout)

    def wait_gone(self, step_id: str, deadline: Deadline) -> bool:
        """Wait until Slurm no longer lists a step; return whether that happened in time."""
        gone = wait_until(
            lambda: all(row.step_id != step_id for row in self.steps()),
            deadline,
            poll_s=0.2,
        )
        return bool(gone)

    def signal(self, step_id: str, name: str) -> None:
        """Send a signal to the tasks of a step; a step that has just ended is no error."""
        try:
            self._query(["scancel", f"--signal={name}", step_id])
        except SlurmError as error:
            if "Invalid job id" not in error.message and "already completing" not in error.message:
                raise

    def config_seconds(self, key: str) -> int | None:
        """Return a time of Slurm's configuration such as KillWait, in seconds."""
        return parse_config_seconds(self._query(["scontrol", "show", "config"]).stdout, key)

    def node_address(self, node: str) -> str:
        """Return the IPv4 address under which Slurm itself reaches a node.

        That address is reached from every node, which cannot be said of what ``hostname -i`` prints
        on a host with several networks. Raises :class:`SlurmError` for a loopback address.
        """
        text = self._query(["scontrol", "show", "node", node, "--oneliner"]).stdout
        found = re.search(r"\bNodeAddr=(\S+)", text)
        name = found[1] if found else node
        try:
            address = socket.getaddrinfo(name, None, socket.AF_INET)[0][4][0]
        except OSError as unknown:
            raise SlurmError(
                f"address {name} of head node {node} does not resolve: {unknown}"
            ) from unknown
        if str(address).startswith("127."):
            raise SlurmError(
                f"head node {node} resolves to {address}, which no other node reaches",
                hint="give the address with HEAD_NODE_IP",
            )
        return str(address)

    def _query(self, argv: Sequence[str]) -> Completed:
        done = run([self._program(argv[0]), *argv[1:]], timeout_s=QUERY_S, env=self._environ)
        if done.returncode != 0:
            raise SlurmError(
                f"`{' '.join(argv)}` ended with {done.returncode}: {done.stderr.strip()}"
            )
        return done

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self._environ.get("PATH"))
        if found is None:
            raise CommandMissing(
                f"`{name}` is not on PATH", hint="run inside an allocation of a Slurm cluster"
            )
        return found
