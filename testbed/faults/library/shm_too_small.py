"""/dev/shm of a node is too small for the shared experts: a bus error."""

from __future__ import annotations

from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said

NODE = "node1"


def _shrink(bed: Bed) -> list[Undo]:
    before = bed.on(NODE, "df", "--output=size", "--block-size=1", "/dev/shm").split()[-1]
    bed.on(NODE, "mount", "-o", "remount,size=256k", "/dev/shm")
    return [Undo(NODE, ("mount", "-o", f"remount,size={before}", "/dev/shm"))]


FAULT = Fault(
    "shm-too-small",
    (32,),
    "/dev/shm of a node is too small for the shared experts: a bus error.",
    Layer.NODE,
    Said((INFRA, CONFIG), patterns=("SIGBUS|/dev/shm",), node=NODE),
    inject=_shrink,
    run=Run(
        tests="agg-replicas and registration",
        variables={
            "REPLICA_ENGINE_CONFIG": "/mnt/engine_configs/deepseek_r1/simple/agg_wide_ep.yaml"
        },
    ),
)
