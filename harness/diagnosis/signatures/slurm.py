"""Words of Slurm and Pyxis: job, nodes, containers, the launch of steps."""

from __future__ import annotations

from harness.diagnosis.facts import Layer, Weight
from harness.diagnosis.signature import Signature
from harness.diagnosis.signatures.holds import SLURM
from harness.diagnosis.signatures.names import NODE_UNFIT, TASK_END
from harness.errors import VerdictClass

TASK_ROWS = (
    Signature(
        TASK_END,
        r"srun: error: \S+: tasks? (?!.*: Out Of Memory$)",
        SLURM,
        Layer.ENGINE,
        VerdictClass.FAIL,
        "srun tells how a task ended",
        weight=Weight.AFTERMATH,
    ),
)


SLURM_ROWS = (
    Signature(
        "time-limit",
        r"CANCELLED AT \S+ DUE TO TIME LIMIT",
        SLURM,
        Layer.JOB,
        VerdictClass.INFRA,
        "the job's walltime is over",
        isnt="a crash of the product: Slurm ended every step",
        advice="allocate for longer; --plan shows the time that the run needs at most",
        below=True,
    ),
    Signature(
        "node-failure",
        r"srun: error: Node failure on \S+",
        SLURM,
        Layer.NODE,
        VerdictClass.INFRA,
        "Slurm lost a node",
        isnt="an error of the fabric or of NCCL, which the other ranks report",
        advice="see `sinfo -R`, and take other nodes",
        below=True,
    ),
    Signature(
        "ended-by-node-failure",
        r"CANCELLED AT \S+ DUE TO NODE FAILURE",
        SLURM,
        Layer.NODE,
        VerdictClass.INFRA,
        "Slurm ended the step because it had lost a node, which need not be the one that says so",
        isnt="an error of the fabric or of NCCL, which the other ranks report",
        advice="see `sinfo -R`, and take other nodes",
        yields_to=(NODE_UNFIT, "node-failure"),
        below=True,
    ),
    Signature(
        "oom-kill",
        r"Detected \d+ oom[_-]kill event|Out Of Memory$|oom-kill:",
        SLURM,
        Layer.NODE,
        VerdictClass.CONFIG,
        "the host's memory was used up, and the kernel killed a process of the step",
        isnt="a lack of GPU memory",
        advice="load fewer workers per node at once, or ask Slurm for more memory (--mem=0)",
        below=True,
    ),
    Signature(
        "step-not-created",
        r"srun: error: Unable to create step for job \d+: (?!Unable to contact|Socket timed)",
        SLURM,
        Layer.LAUNCH,
        VerdictClass.INFRA,
        "Slurm did not create the step",
        isnt="a slow model load",
        advice="see `squeue --steps` and `sinfo -R`",
        below=True,
    ),
    Signature(
        "launch-failed",
        r"srun: error: Task launch for StepId=\S+ failed on node",
        SLURM,
        Layer.NODE,
        VerdictClass.INFRA,
        "Slurm could not start a task on a node",
        isnt="a fault of the worker: none of its code has run there",
        advice="see `sinfo -R` and slurmd's log on that node",
        below=True,
    ),
    Signature(
        "mpi-plugin",
        r"mpi/\w+: can not load|Invalid MPI (?:type|plugin)|"
        r"Couldn't find the specified plugin name",
        SLURM,
        Layer.LAUNCH,
        VerdictClass.INFRA,
        "Slurm has not the MPI plugin that was asked for",
        isnt="a wrong engine config, though every rank may report world size 1",
        advice="see `srun --mpi=list`",
        below=True,
    ),
    Signature(
        "pyxis",
        r"error: pyxis: ",
        "Pyxis 0.11 to 0.20",
        Layer.CONTAINER,
        VerdictClass.CONFIG,
        "Pyxis could not start the container",
        isnt="a fault of the worker: none of its code has run",
        advice="check IMAGE and MOUNTS: they must be readable on every node of the step",
        below=True,
    ),
)
