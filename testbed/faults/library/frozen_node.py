"""A node hears nothing any more."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import freeze

FAULT = Fault(
    "frozen-node",
    (8,),
    "A node hears nothing any more.",
    Layer.NODE,
    Said((INFRA,), patterns=("Socket timed out",), node="node3"),
    inject=freeze("slurmd -D", node="node3"),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
