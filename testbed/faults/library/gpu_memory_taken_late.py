"""A stranger takes the memory of a GPU after the nodes were looked at."""

from __future__ import annotations

from testbed.faults.fault import INFRA, LEAK, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import gpu_holder

FAULT = Fault(
    "gpu-memory-taken-late",
    (47,),
    "A stranger takes the memory of a GPU after the nodes were looked at.",
    Layer.NODE,
    Said(
        (INFRA, LEAK),
        patterns=(
            "(?i)out of memory",
            "stranger",
        ),
        node="node1",
        rank=1,
    ),
    moment=Moment.SERVICES_UP,
    inject=gpu_holder("node1", 1, 180_000),
    run=Run(tests="agg-replicas and registration", variables={}),
)
