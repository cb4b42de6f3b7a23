"""What the tests of steps share: a Slurm of scripts, whose steps are real processes here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.deadline import Deadline, wait_until
from harness.dynamo.worker import Worker
from harness.slurm.client import Slurm
from harness.slurm.srun import StepSpec
from harness.slurm.step import Step
from harness.topology import Role, RoleShape, Topology, place

PROGRAMS = Path(__file__).parent / "local_slurm"
SAID = Path(__file__).parent.parent / "data" / "slurm"

RUNS = ': >"$READY"; while :; do sleep 0.02; done'
UNTIL_TERM = f"trap 'exit 0' TERM; {RUNS}"
"""A task that ends in order when asked to."""
DEAF = f"trap '' TERM; {RUNS}"
"""A task that ends only when killed."""


@dataclass
class LocalSlurm:
    """Slurm's commands as scripts, and the steps that a test has started."""

    folder: Path
    steps: list[Step] = field(default_factory=list)

    @property
    def client(self) -> Slurm:
        """The suite's own client, which finds the scripts on PATH."""
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        return Slurm("7", {"PATH": path, "LOCAL_SLURM": str(self.folder)})

    def spec(self, name: str, task: str, **variables: str) -> StepSpec:
        """Return a step of one task that runs a piece of shell."""
        command = ("bash", "-c", task)
        return StepSpec(name, "7", ("node1",), 1, command, variables=variables)

    def start(self, name: str, task: str, **variables: str) -> Step:
        """Start a step and return at once."""
        logs = [self.folder / f"{name}.{kind}.log" for kind in ("out", "err")]
        spec = self.spec(name, task, **variables)
        step = self.client.start(spec, stdout=logs[0], stderr=logs[1])
        self.steps.append(step)
        return step

    def launch(self, name: str, task: str, **variables: str) -> Step:
        """Start a step of a task that makes the file $READY, and return when it has."""
        ready = self.folder / f"{name}.ready"
        step = self.start(name, task, READY=str(ready), **variables)
        step.wait_launched(Deadline.after(20))
        assert wait_until(ready.exists, Deadline.after(20))
        return step

    def replay(self, log: str, code: int, **variables: str) -> Step:
        """Start an srun that says what a real one once said."""
        return self.start(log, "", SAYS=str(SAID / f"{log}.err"), CODE=str(code), **variables)

    def tell(self, name: str, *lines: str, code: int, nodes: Sequence[str]) -> Step:
        """Let an srun of a step of four tasks a node say lines, and end."""
        said = self.folder / f"{name}.said"
        said.write_text("".join(f"{line}\n" for line in lines))
        spec = self.spec(name, "", SAYS=str(said), CODE=str(code))
        spec = replace(spec, nodes=tuple(nodes), tasks_per_node=4)
        out, err = (self.folder / f"{name}.{kind}.log" for kind in ("out", "err"))
        step = self.client.start(spec, stdout=out, stderr=err)
        self.steps.append(step)
        assert wait_until(lambda: step.exit_code is not None, Deadline.after(20))
        return step


def launch_worker(
    slurm: LocalSlurm, task: str, *, role: Role = Role.AGGREGATED, nodes: Sequence[str] = ("node1",)
) -> Worker:
    """Launch the only worker of a role, of 4 ranks a node."""
    shape = RoleShape(role, "/mnt/p.yaml", len(nodes))
    [placed] = place(Topology("t", 4, (shape,)), nodes, head_node=nodes[0]).workers
    return Worker(placed, slurm.launch(placed.name, task), eplb_prefix="moe_shared")


@contextmanager
def local_slurm(folder: Path) -> Iterator[LocalSlurm]:
    """Yield a Slurm whose steps have all ended when the test is over."""
    slurm = LocalSlurm(folder)
    yield slurm
    for step in slurm.steps:
        if step.exit_code is None and (folder / step.step_id).is_file():
            slurm.client.signal(step.step_id, "KILL")
        step.end_srun(timeout_s=1.0)
