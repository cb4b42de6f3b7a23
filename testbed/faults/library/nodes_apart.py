"""A decode node does not reach a prefill node."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import on_node

ROUTE = ("unreachable", "10.77.0.2/32")

FAULT = Fault(
    "nodes-apart",
    (54,),
    "A decode node does not reach a prefill node.",
    Layer.NETWORK,
    Said(
        (INFRA,),
        patterns=(
            "no route to host",
            "node2",
        ),
        node="node3",
    ),
    inject=on_node("node3", "ip", "route", "add", *ROUTE, undo=("ip", "route", "del", *ROUTE)),
    run=Run(tests="disagg-mixed and registration", mark="disagg", variables={}),
)
