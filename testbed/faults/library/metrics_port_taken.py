"""A stranger listens on the port of a worker's metrics."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import listener

FAULT = Fault(
    "metrics-port-taken",
    (38,),
    "A stranger listens on the port of a worker's metrics.",
    Layer.NODE,
    Said((INFRA,), patterns=("port 9090",), node="node2"),
    inject=listener("node2", 9090),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
