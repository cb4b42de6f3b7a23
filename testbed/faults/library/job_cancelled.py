"""The job is cancelled while a worker serves."""

from __future__ import annotations

from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.fault import INFRA, INVALID, Fault, Layer, Moment, Said
from testbed.faults.provoke import on_node

FAULT = Fault(
    "job-cancelled",
    (),
    "The job is cancelled while a worker serves.",
    Layer.SLURM,
    Said((INFRA, INVALID), patterns=("(?i)cancel",)),
    moment=Moment.SERVING,
    inject=on_node(LOGIN_NAME, "sh", "-c", "scancel $(squeue --noheader --format=%i)"),
)
