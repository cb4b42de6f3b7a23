"""A rank ends in order and leaves its files in /dev/shm."""

from __future__ import annotations

from testbed.faults.fault import LEAK, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "shm-left",
    (60,),
    "A rank ends in order and leaves its files in /dev/shm.",
    Layer.ENGINE,
    Said((LEAK,), patterns=("moe_shared",), node="node1"),
    inject=tell_engine(EMULATED_TRTLLM_STOP="1=keep-shm"),
    run=Run(
        tests="agg-replicas and shutdown",
        variables={
            "REPLICA_ENGINE_CONFIG": "/mnt/engine_configs/deepseek_r1/simple/agg_wide_ep.yaml"
        },
    ),
)
