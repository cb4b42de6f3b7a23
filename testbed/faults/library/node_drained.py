"""A node is drained after the job got it: it takes no step any more when the job ends."""

from __future__ import annotations

from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.fault import INFRA, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import on_node

FAULT = Fault(
    "node-drained",
    (8,),
    "A node is drained after the job got it: it takes no step any more when the job ends.",
    Layer.SLURM,
    Said((INFRA,), patterns=("(?i)drain",), node="node3"),
    moment=Moment.ALLOCATED,
    inject=on_node(
        LOGIN_NAME,
        "scontrol",
        "update",
        "nodename=node3",
        "state=drain",
        "reason=Kill task failed",
        undo=("scontrol", "update", "nodename=node3", "state=resume"),
    ),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
