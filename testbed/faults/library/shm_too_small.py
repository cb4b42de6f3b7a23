"""/dev/shm of a node is too small for the shared experts: a bus error."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import on_node

FAULT = Fault(
    "shm-too-small",
    (32,),
    "/dev/shm of a node is too small for the shared experts: a bus error.",
    Layer.NODE,
    Said((INFRA, CONFIG), patterns=("SIGBUS|/dev/shm",), node="node1"),
    inject=on_node(
        "node1",
        "mount",
        "-o",
        "remount,size=256k",
        "/dev/shm",
        undo=("mount", "-o", "remount,size=4096m", "/dev/shm"),
    ),
    run=Run(
        tests="agg-replicas and registration",
        variables={
            "REPLICA_ENGINE_CONFIG": "/mnt/engine_configs/deepseek_r1/simple/agg_wide_ep.yaml"
        },
    ),
)
