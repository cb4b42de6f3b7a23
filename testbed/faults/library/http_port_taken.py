"""A stranger listens on the frontend's port of the head node."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import listener

FAULT = Fault(
    "http-port-taken",
    (38,),
    "A stranger listens on the frontend's port of the head node.",
    Layer.NODE,
    Said((INFRA,), patterns=("port 8000",), node="node1"),
    inject=listener("node1", 8000),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
    quick=True,
)
