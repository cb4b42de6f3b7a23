"""A file of expert memory of an earlier run lies in /dev/shm."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import on_node

FILE = "/dev/shm/moe_shared_l0_lr0_all"

FAULT = Fault(
    "stale-moe-file",
    (60,),
    "A file of expert memory of an earlier run lies in /dev/shm.",
    Layer.NODE,
    Said((INFRA,), patterns=("moe_shared_l0_lr0_all",), node="node3"),
    inject=on_node("node3", "touch", FILE, undo=("rm", "-f", FILE)),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
