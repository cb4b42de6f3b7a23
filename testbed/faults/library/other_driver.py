"""A node has another driver than the others."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import changed_gpus

FAULT = Fault(
    "other-driver",
    (23,),
    "A node has another driver than the others.",
    Layer.NODE,
    Said((INFRA, CONFIG), patterns=("driver 570",), node="node3"),
    inject=changed_gpus("node3", 'facts.update(driver_version="570.86.10")'),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
