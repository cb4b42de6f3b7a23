"""A stranger uses a GPU of a node before the start."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import gpu_holder

FAULT = Fault(
    "busy-gpu",
    (47,),
    "A stranger uses a GPU of a node before the start.",
    Layer.NODE,
    Said(
        (INFRA,),
        patterns=(
            "GPU 1",
            "4096 MiB",
        ),
        node="node2",
    ),
    inject=gpu_holder("node2", 1, 4096),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
    quick=True,
)
