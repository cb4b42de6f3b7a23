"""A worker does not reach etcd on the head node."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import on_node

RULE = ("to", "10.77.0.1", "ipproto", "tcp", "dport", "2379", "unreachable")

FAULT = Fault(
    "etcd-unreachable",
    (35,),
    "A worker does not reach etcd on the head node.",
    Layer.NETWORK,
    Said((INFRA, CONFIG), patterns=("(?i)etcd|2379",), node="node2"),
    inject=on_node("node2", "ip", "rule", "add", *RULE, undo=("ip", "rule", "del", *RULE)),
    run=Run(
        tests="disagg-small and registration", mark="disagg", variables={"START_TIMEOUT_S": "25"}
    ),
)
