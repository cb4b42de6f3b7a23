"""A node shows one GPU less than the others."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import changed_gpus

FAULT = Fault(
    "gpu-missing",
    (23,),
    "A node shows one GPU less than the others.",
    Layer.NODE,
    Said((INFRA,), patterns=("shows 3",), node="node2"),
    inject=changed_gpus("node2", 'facts["gpus"].pop()'),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
    quick=True,
)
