"""A live stranger holds a file of expert memory in /dev/shm."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import gpu_holder

FAULT = Fault(
    "held-moe-file",
    (61,),
    "A live stranger holds a file of expert memory in /dev/shm.",
    Layer.NODE,
    Said(
        (INFRA,),
        patterns=(
            "moe_shared_l0_lr0_all",
            r"held by pid \d+",
        ),
        node="node3",
    ),
    inject=gpu_holder("node3", 3, 512, file="/dev/shm/moe_shared_l0_lr0_all"),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
