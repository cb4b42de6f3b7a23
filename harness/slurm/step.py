"""A started step: the srun process, its two logs, and what srun has said so far."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.errors import (
    ContainerError,
    InfraError,
    NodeUnfit,
    QualificationError,
    SlurmError,
    StepEnded,
)
from harness.logs import LogFollower, LogLine, read_lines, tail
from harness.slurm.nodelist import fold
from harness.slurm.srun import StepSpec
from harness.slurm.words import (
    Launched,
    TaskEnd,
    describe_ends,
    own_ends,
    parse_cancelled,
    parse_launched,
    parse_pyxis,
    parse_shell_death,
    parse_task_end,
)

TELLING = (b"srun", b"slurmstepd", b"pyxis:", b"ode failure", b"NODE FAILURE", b"CANCELLED")
"""A line without any of these is no word of Slurm or Pyxis."""

LAST_WORDS = 6
"""Lines of a dead rank that its error quotes; the log holds all."""

CONTAINER_START_S = 30.0
"""Seconds after the launch within which an end may be Pyxis's doing.

Importing an image takes longer only on success.
"""

SETTLE_S = 2.0
"""Seconds that srun may take to name the rank that cancelled its own step; 10 ms are usual."""


class Step:
    """One running or ended step. :meth:`refresh` reads what srun has added to its log."""

    def __init__(
        self, spec: StepSpec, process: subprocess.Popen[bytes], *, out: Path, err: Path
    ) -> None:
        self.spec = spec
        self.out = out
        self.err = err
        self.started_s = time.monotonic()
        self.launched: list[Launched] = []
        self.task_ends: list[TaskEnd] = []
        self.container_errors: list[tuple[int | None, str]] = []
        self.cancelled: list[str] = []
        self.node_failures: list[str] = []
        self._ends_before_cancel = 0
        self._process = process
        self._follower = LogFollower(err, TELLING)
        self._death: QualificationError | None = None

    @property
    def name(self) -> str:
        """The step's name in Slurm."""
        return self.spec.name

    @property
    def step_id(self) -> str:
        """Slurm's id such as ``453374.18``; empty until srun has launched the tasks."""
        self.refresh()
        return self.launched[0].step_id if self.launched else ""

    @property
    def number(self) -> str:
        """The step's number within the job, ``18``; empty until it was launched."""
        return self.step_id.partition(".")[2]

    @property
    def exit_code(self) -> int | None:
        """srun's exit status: the highest of its tasks'; ``None`` while it runs."""
        return self._process.poll()

    @property
    def where(self) -> str:
        """The step for a message: name, id, nodes."""
        return f"{self.name} (step {self.step_id or 'not launched'}, {', '.join(self.spec.nodes)})"

    def refresh(self) -> None:
        """Read srun's new lines."""
        for line in self._follower.new_lines():
            # slurmstepd's and Pyxis's own words come under the label of a task.
            if line.rank is None or "pyxis:" in line.text or "slurmstepd" in line.text:
                self._note(line)

    def wait_launched(self, deadline: Deadline) -> None:
        """Wait until srun has launched tasks on every node; raise when it ended or time is up."""
        everywhere = wait_until(
            lambda: self.step_id and len(self.launched) >= len(self.spec.nodes),
            deadline,
            watch=self.check_alive,
        )
        if not everywhere:
            raise InfraError(
                f"srun launched {self.where} on {len(self.launched)} of {len(self.spec.nodes)} "
                f"nodes after {deadline.elapsed_s:.0f} s; its last words: {tail(self.err, 3)!r}; "
                f"log: {self.err}",
                hint="are the nodes busy, drained or down? see `squeue` and `sinfo -R`",
            )

    def check_alive(self) -> None:
        """Raise, with its cause, if the step has ended or a task of it has died."""
        self.refresh()
        if self.exit_code is not None or self.task_ends:
            raise self.death()

    def death(self) -> QualificationError:
        """Return the error that says how the step ended, and what ended it first."""
        if self._death is None:
            self._hear_out()
            self._death = self._cause()
        return self._death

    def _cause(self) -> QualificationError:
        evidence = f"after {time.monotonic() - self.started_s:.1f} s; log: {self.err}"
        words = f"{evidence}\n{tail(self.err, 12)}"
        if self.container_errors:
            return self._refused_container(evidence)
        if self.node_failures:
            return InfraError(f"{self.where}: {self.node_failures[0]} {evidence}")
        if ends := self.first_ends:
            said = self._last_words(ends[0].ranks[0])
            return StepEnded(f"{self.where}: {describe_ends(ends)} {evidence}{said}")
        if self.cancelled:
            return InfraError(
                f"{self.where}: cancelled {self.cancelled[0] or 'by scancel'} {evidence}"
            )
        code = f"exit code {self.exit_code}"
        if not self.launched:
            return SlurmError(
                f"{self.where}: srun ended with {code} before it launched a task {words}",
                hint="srun's last line says why; without Pyxis it does not know --container-image",
            )
        return StepEnded(f"{self.where}: ended with {code} {words}")

    def _refused_container(self, evidence: str) -> QualificationError:
        """Return Pyxis's refusal; on some nodes alone, while others took it, it is theirs."""
        _, words = self.container_errors[0]
        text = f"{self.where}: {words} {evidence}"
        hint = "check IMAGE and MOUNTS: they must be readable on every node of the step"
        if bad := self.refusing_nodes:
            return NodeUnfit(f"{fold(bad)} alone refuses the container: {text}", hint=hint)
        return ContainerError(text, hint=hint)

    @property
    def refusing_nodes(self) -> set[str]:
        """The nodes that refuse the container while others of the step take it; else none."""
        bad = {self.planned_node(rank) for rank, _ in self.container_errors} - {""}
        return bad if len(bad) < len(self.spec.nodes) else set()

    def planned_node(self, rank: int | None) -> str:
        """Return the node that a task was planned on: srun may not have announced it yet."""
        place = -1 if rank is None else rank // self.spec.tasks_per_node
        return self.spec.nodes[place] if 0 <= place < len(self.spec.nodes) else ""

    def end_srun(self, timeout_s: float = 5.0) -> None:
        """Make sure that the srun process itself is gone: ours by its handle, never by name."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout_s)

    def _last_words(self, rank: int) -> str:
        """Return the last lines of one rank, without the shell's trace and Slurm's own words."""
        lines = [line.text for line in read_lines(self.err) if line.rank == rank]
        own = [text for text in lines if text.strip() and not text.startswith(("+", "slurmstepd"))]
        if not own:
            return ""
        return "\n".join(
            [f"\nlast words of rank {rank}:", *(f"  {text}" for text in own[-LAST_WORDS:])]
        )

    @property
    def first_ends(self) -> list[TaskEnd]:
        """Return the end that came first; what Slurm kills because of it is left out.

        Under PMIx a rank that calls MPI_Abort has its step cancelled before srun hears of the rank
        itself: after a CANCELLED without a reason, an end that no killing explains is the first.
        """
        if witnessed := self._witnessed_end():
            return [witnessed]
        if not self.cancelled:
            return self.task_ends[:1]
        before = self.task_ends[: self._ends_before_cancel]
        return (before or ([] if self.cancelled[0] else own_ends(self.task_ends)))[:1]

    def _witnessed_end(self) -> TaskEnd | None:
        """Return the end of the first rank whose shell saw its process die of a signal.

        That rank is the cause, also when srun heard first of the leader that gave up because of it:
        neither MPI_Abort nor Slurm's killing makes a shell say so.
        """
        for line in read_lines(self.err):
            if line.rank is not None and (name := parse_shell_death(line.text)):
                nodes = [each.node for each in self.launched if line.rank in each.ranks]
                code = 128 + signal.Signals[name].value
                return TaskEnd(next(iter(nodes), ""), (line.rank,), code, name, line.text)
        return None

    def _hear_out(self) -> None:
        """Read on, for a moment, while the cause of the end may still come."""

        def heard() -> bool:
            ended = self.exit_code is not None
            self.refresh()
            return ended or not self._unclear()

        wait_until(heard, Deadline.after(SETTLE_S))

    def _unclear(self) -> bool:
        """Tell whether a word on the cause may yet come: from srun, a rank's shell or Pyxis."""
        if self.cancelled and not self.cancelled[0] and not self.first_ends:
            return True
        if self.task_ends and not any(end.signal for end in self.first_ends):
            return True  # a leader that gave up with exit code 1 may be heard before the dead rank
        starting = time.monotonic() - self.started_s < CONTAINER_START_S
        return self.spec.container is not None and starting and not self.container_errors

    def _note(self, line: LogLine) -> None:
        if launched := parse_launched(line.text):
            self.launched.append(launched)
        elif end := parse_task_end(line.text):
            self.task_ends.append(end)
        elif (pyxis := parse_pyxis(line.text)) and "error" in line.text:
            self.container_errors.append((line.rank, f"pyxis: {pyxis}"))
        elif (why := parse_cancelled(line.text)) is not None:
            self._note_cancelled(why)
        elif "Node failure" in line.text or "DUE TO NODE FAILURE" in line.text:
            self.node_failures.append(line.text.strip())

    def _note_cancelled(self, why: str) -> None:
        if not self.cancelled:
            self._ends_before_cancel = len(self.task_ends)
        self.cancelled.append(why)
