"""The only module that runs Slurm's programs.

Every call has a deadline: srun on a drained cluster waits for ever.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.errors import SlurmError
from harness.process import CommandMissing, CommandTimeout, Completed, run
from harness.resolving import resolve
from harness.slurm.node_words import NodeRow, parse_nodes
from harness.slurm.nodelist import expand, fold
from harness.slurm.srun import StepSpec, step_environment
from harness.slurm.step import Step
from harness.slurm.words import (
    STEPS_FORMAT,
    JobRow,
    StepRow,
    parse_config_seconds,
    parse_config_word,
    parse_job,
    parse_mpi_types,
    parse_steps,
    parse_time_left,
)

QUERY_S = 30.0
"""Deadline of squeue, scontrol and scancel, in seconds.

Slurm's own message timeout is 10 s, and a busy controller answers the second time.
"""

BRIEF_S = 5.0
"""Deadline of a question whose answer is welcome, and not needed."""

AWAY_S = 120.0
"""Seconds for which a question is asked again while slurmctld is away: restarted, failing over.

Steps go on without it: that it does not answer says nothing about the product.
"""

_AWAY = re.compile(
    r"(?:slurm_\w+ error|Unable to (?:create step|confirm allocation) for job \d+): "
    r"(?:Unable to contact slurm controller|Socket timed out on send/recv operation|"
    # For some seconds after its start, until it has heard of its nodes (22.05).
    r"Memory required by task is not available)"
)
"""What queries and srun say then, by themselves after 9 to 18 s: nothing was started.

A launch that times out on a node reads alike, but its step was created: it is not meant.
"""

HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH for scripts on the nodes: they use what a node has, not what the head node's shell had."""

RESOLVE_S = 20.0
"""Seconds to resolve a node's name: two attempts at each of two servers, by default."""


class Slurm:
    """Slurm's commands for one job."""

    def __init__(self, job_id: str, environ: Mapping[str, str] | None = None) -> None:
        self.job_id = job_id
        self.on_away: Callable[[str, float], None] = lambda _words, _seconds: None
        """Is told what was said while slurmctld was away, and for how many seconds it was asked."""
        self.pointless: Callable[[], str] = lambda: ""
        """Says why a short step is not waited for any more; empty while it is."""
        self._environ = dict(os.environ if environ is None else environ)

    def start(
        self, spec: StepSpec, *, stdout: Path, stderr: Path, stdin: int = subprocess.DEVNULL
    ) -> Step:
        """Start a step and return at once; ``stdin`` is a descriptor that all its tasks read.

        srun gets a session of its own, so that a Ctrl-C meant for pytest does not reach it: srun
        would kill the tasks instead of letting them drain.
        """
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                spec.argv(self._program("srun")),
                env=step_environment(self._environ, spec.variables),
                stdin=stdin,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return Step(spec, process, out=stdout, err=stderr)

    def run_step(
        self,
        spec: StepSpec,
        *,
        timeout_s: float,
        stdin: str = "",
        path: str = "",
        anyway: bool = False,
    ) -> Completed:
        """Run a short step to its end. ``path`` replaces PATH on the nodes.

        It is given up as soon as it is :attr:`pointless`, unless it is to be run ``anyway``.

        A step that slurmctld could not create, because it was away, is started again.
        Raises :class:`SlurmError` when it has not ended in time; the step is then cancelled.
        """
        variables = {**spec.variables, **({"PATH": path} if path else {})}
        environment = step_environment(self._environ, variables)
        try:
            argv = spec.argv(self._program("srun"))
            return self._patiently(
                lambda: run(
                    argv,
                    timeout_s=timeout_s,
                    env=environment,
                    stdin=stdin,
                    given_up=(lambda: "") if anyway else self.pointless,
                )
            )
        except CommandTimeout as slow:
            # scancel waits 12 s for a node that is silent; nobody here waits for its answer.
            threading.Thread(target=self._kill_named, args=(spec.name,), daemon=True).start()
            silent = silent_nodes(spec, slow.output)
            raise SlurmError(
                f"step {spec.name} did not end, no word came from {', '.join(silent)}: "
                f"{slow.message}",
                hint=f"are these nodes down, drained or frozen? see `sinfo -R`: {fold(silent)}",
            ) from slow

    def _kill_named(self, name: str) -> None:
        """Kill the steps of a name; the guard ends at last what cannot be ended now."""
        with contextlib.suppress(SlurmError):
            for row in self.steps():
                if row.name == name:
                    self.signal(row.step_id, "KILL")

    def steps(self) -> list[StepRow]:
        """Return the job's running steps."""
        form = f"--format={STEPS_FORMAT}"
        argv = ["squeue", "--steps", f"--jobs={self.job_id}", "--noheader", form]
        return parse_steps(self._ask(argv).stdout)

    def job_nodes(self) -> tuple[str, ...]:
        """Return the job's nodes; raises :class:`SlurmError` for a job that does not run."""
        argv = ["squeue", f"--jobs={self.job_id}", "--states=RUNNING", "--noheader", "--format=%N"]
        text = self._query(argv).stdout.strip()
        if not text:
            raise SlurmError(f"job {self.job_id} does not run", hint="see `squeue`")
        return expand(text)

    @property
    def node_programs(self) -> tuple[str, str]:
        """The paths of squeue and scancel, for what calls them on a node after our end."""
        return self._program("squeue"), self._program("scancel")

    def nodes(self, names: Sequence[str]) -> list[NodeRow]:
        """Return what Slurm says of nodes; one that it does not know is left out."""
        argv = ["scontrol", "show", "node", fold(names), "--oneliner"]
        done = self._patiently(lambda: self._run(argv))
        return parse_nodes(done.stdout) or parse_nodes(_succeeded(argv, done).stdout)

    def job(self) -> JobRow | None:
        """Return what Slurm says of the job, or ``None`` if it does not say within a moment."""
        return parse_job(self._briefly(["scontrol", "show", "job", self.job_id, "--oneliner"]))

    def nodes_briefly(self, names: Sequence[str]) -> list[NodeRow]:
        """Return what Slurm says of nodes; none if it does not say within a moment."""
        return parse_nodes(self._briefly(["scontrol", "show", "node", fold(names), "--oneliner"]))

    def mpi_types(self) -> tuple[str, ...]:
        """Return the MPI plugins that ``srun --mpi`` takes here."""
        argv = ["srun", "--mpi=list"]
        done = _succeeded(argv, self._run(argv))
        return parse_mpi_types(done.stdout + done.stderr)

    def seconds_left(self) -> float | None:
        """Return the seconds until the job's walltime ends; ``None`` if it has no such end."""
        argv = ["squeue", f"--jobs={self.job_id}", "--noheader", "--format=%L"]
        return parse_time_left(self._ask(argv).stdout)

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
        return parse_config_seconds(self._ask(["scontrol", "show", "config"]).stdout, key)

    def cluster(self) -> dict[str, str]:
        """Return cluster, partition and Slurm's version, as Slurm tells within a moment."""
        try:
            config, job = self._briefly(["scontrol", "show", "config"]), self.job()
        except CommandMissing:
            config, job = "", None
        return {
            "cluster": parse_config_word(config, "ClusterName"),
            "partition": job.partition if job else "",
            "slurm": parse_config_word(config, "SLURM_VERSION"),
        }

    def plugin_places(self) -> tuple[str, str]:
        """Return where plugstack.conf and the plugins lie; empty for what Slurm does not say."""
        config = self._briefly(["scontrol", "show", "config"])
        conf = parse_config_word(config, "PlugStackConfig")
        if conf in {"", "(null)"}:  # by default it lies beside slurm.conf
            slurm_conf = parse_config_word(config, "SLURM_CONF")
            conf = str(Path(slurm_conf).with_name("plugstack.conf")) if slurm_conf else ""
        return conf, parse_config_word(config, "PluginDir")

    def record(self, step_id: str = "") -> str:
        """Return ``scontrol show`` of the job, or of a step of it, for a person to read."""
        what = ["step", step_id] if step_id else ["job", self.job_id]
        return self._briefly(["scontrol", "show", *what]).strip()

    def node_address(self, node: str) -> str:
        """Return the IPv4 address under which Slurm itself reaches a node.

        That address is reached from every node, which cannot be said of what ``hostname -i`` prints
        on a host with several networks. Raises :class:`SlurmError` for a loopback address.
        """
        names = [row.address for row in self.nodes((node,)) if row.name == node]
        if not names:
            raise SlurmError(f"{node} is not known to Slurm", hint="see `scontrol show node`")
        try:
            address = resolve(names[0], timeout_s=RESOLVE_S, family=socket.AF_INET)[0]
        except OSError as unknown:
            raise SlurmError(
                f"address {names[0]} of {node} does not resolve: {unknown}"
            ) from unknown
        if address.startswith("127."):
            raise SlurmError(
                f"{node} resolves to {address}, which no other node reaches",
                hint="give the address with HEAD_NODE_IP",
            )
        return address

    def _ask(self, argv: Sequence[str]) -> Completed:
        """Ask what changes nothing, again while slurmctld is away."""
        return _succeeded(argv, self._patiently(lambda: self._run(argv)))

    def _query(self, argv: Sequence[str]) -> Completed:
        return _succeeded(argv, self._run(argv))

    def _run(self, argv: Sequence[str]) -> Completed:
        return run([self._program(argv[0]), *argv[1:]], timeout_s=QUERY_S, env=self._environ)

    def _briefly(self, argv: Sequence[str]) -> str:
        """Ask once, for a moment; return what was said, nothing if that failed."""
        program = self._program(argv[0])
        try:
            return run([program, *argv[1:]], timeout_s=BRIEF_S, env=self._environ).stdout
        except CommandTimeout:
            return ""

    def _patiently(self, attempt: Callable[[], Completed]) -> Completed:
        """Attempt again while slurmctld is away, for AWAY_S; return what came of the last."""
        deadline = Deadline.after(AWAY_S)
        said: list[str] = []

        def look() -> Completed | None:
            done = attempt()
            away = _AWAY.search(done.stderr) if done.returncode != 0 else None
            said.extend([away[0]] if away else [])
            return done if not away or deadline.expired else None

        done = wait_until(look, deadline, poll_s=1.0) or attempt()
        if said:
            self.on_away(said[-1], deadline.elapsed_s)
        return done

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self._environ.get("PATH"))
        if found is None:
            raise CommandMissing(
                f"`{name}` is not on PATH", hint="run inside an allocation of a Slurm cluster"
            )
        return found


def _succeeded(argv: Sequence[str], done: Completed) -> Completed:
    """Return what a command left if it succeeded; raise :class:`SlurmError` if not."""
    if done.returncode != 0:
        raise SlurmError(f"`{' '.join(argv)}` ended with {done.returncode}: {done.stderr.strip()}")
    return done


def silent_nodes(spec: StepSpec, output: str) -> tuple[str, ...]:
    """Return the nodes of a step of one task a node that said nothing; all if each said something.

    ``output`` is what came, labelled with the tasks' numbers (``srun --label``).
    """
    ranks = {line.partition(":")[0].strip() for line in output.splitlines()}
    silent = tuple(node for rank, node in enumerate(spec.nodes) if str(rank) not in ranks)
    return silent or spec.nodes
