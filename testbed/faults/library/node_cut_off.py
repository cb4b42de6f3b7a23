"""The network of a node goes down while its ranks serve."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import on_node

FAULT = Fault(
    "node-cut-off",
    (6,),
    "The network of a node goes down while its ranks serve.",
    Layer.NETWORK,
    Said((INFRA,), node="node3", within_s=15.0),
    moment=Moment.SERVING,
    inject=on_node(
        "node3", "ip", "link", "set", "eth0", "down", undo=("ip", "link", "set", "eth0", "up")
    ),
    run=Run(
        tests="(registration or TestStreaming) and not replicas", variables={"STOP_TIMEOUT_S": "15"}
    ),
)
