"""A node is set down while it loads: Slurm ends the job."""

from __future__ import annotations

from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.fault import INFRA, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import on_node

FAULT = Fault(
    "node-down",
    (6,),
    "A node is set down while it loads: Slurm ends the job.",
    Layer.SLURM,
    Said((INFRA,), patterns=("(?i)node",), node="node3"),
    moment=Moment.LOADING,
    inject=on_node(
        LOGIN_NAME,
        "scontrol",
        "update",
        "nodename=node3",
        "state=down",
        "reason=test",
        undo=("scontrol", "update", "nodename=node3", "state=resume"),
    ),
    run=Run(
        tests="(registration or TestStreaming) and not replicas",
        variables={"EMULATED_TRTLLM_LOAD_S": "30"},
    ),
)
