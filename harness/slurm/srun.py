"""Pure: the ``srun`` line of a step. Every option of NVIDIA's example is kept, and made safe.

Added to the example: a name and a node list for every step (replicas cannot land on one node), an
end of the whole step when one rank dies (``--kill-on-bad-exit=1``), no CPU binding of ranks to what
the allocation's shell happened to have, and every variable a worker needs in ``--container-env``,
because a variable that the image defines wins otherwise.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.mounts import Mount
from harness.slurm.nodelist import fold


@dataclass(frozen=True)
class ContainerSpec:
    """What Pyxis is asked for."""

    image: str
    mounts: tuple[Mount, ...]

    def options(self, passed_variables: Sequence[str]) -> list[str]:
        """Return Pyxis's options; ``passed_variables`` win over the image's own."""
        options = [f"--container-image={self.image}", "--no-container-mount-home"]
        if self.mounts:
            options.append("--container-mounts=" + ",".join(str(mount) for mount in self.mounts))
        if passed_variables:
            options.append("--container-env=" + ",".join(passed_variables))
        return options


@dataclass(frozen=True)
class StepSpec:
    """One step before it is started: where, how many tasks, what command, which variables.

    ``options`` are further ones of srun, and win over those that every step has.
    """

    name: str
    job_id: str
    nodes: tuple[str, ...]
    tasks_per_node: int
    command: tuple[str, ...]
    container: ContainerSpec | None = None
    mpi: str = "none"
    account: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def tasks(self) -> int:
        """Tasks of the whole step."""
        return len(self.nodes) * self.tasks_per_node

    def argv(self, srun: str = "srun") -> list[str]:
        """Return the argument vector; nothing in it passes through a shell."""
        argv = [
            srun,
            f"--jobid={self.job_id}",
            f"--job-name={self.name}",
            f"--nodelist={fold(self.nodes)}",
            f"--nodes={len(self.nodes)}",
            f"--ntasks={self.tasks}",
            f"--ntasks-per-node={self.tasks_per_node}",
            f"--mpi={self.mpi}",
            "--overlap",
            "--oversubscribe",
            "--cpu-bind=none",
            "--kill-on-bad-exit=1",
            "--verbose",
            "--label",
        ]
        if self.account:
            argv.append(f"--account={self.account}")
        if self.container is not None:
            argv += self.container.options(sorted(self.variables))
        return [*argv, *self.options, *self.command]

    def rendered(self) -> str:
        """Return the step as a shell command that a person can paste, variables first."""
        variables = [
            f"{name}={shlex.quote(value)}" for name, value in sorted(self.variables.items())
        ]
        words = [shlex.quote(word) for word in self.argv()]
        return " \\\n    ".join([*variables, words[0], *words[1:]])


_INHERITED = ("SLURM_", "SRUN_", "PMI_", "PMIX_", "OMPI_", "SPANK_")
_KEPT = ("SLURM_CONF",)


def step_environment(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for srun: ours plus the step's, without what Slurm set for us.

    The allocation shell's SLURM_*, PMI* and OMPI_* variables would shape the new step (task counts,
    binding) or leak into its MPI world.
    """
    clean = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or not name.startswith(_INHERITED)
    }
    return {**clean, **variables}
