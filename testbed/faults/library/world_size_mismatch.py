"""The engine config wants another number of ranks than the worker has."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said
from testbed.faults.provoke import engine_config

FAULT = Fault(
    "world-size-mismatch",
    (),
    "The engine config wants another number of ranks than the worker has.",
    Layer.CONTAINER,
    Said(
        (CONFIG,),
        patterns=(
            "tensor_parallel_size|world",
            "8",
        ),
    ),
    prepare=engine_config(
        "agg.yaml", "wide.yaml", old="tensor_parallel_size: 4", new="tensor_parallel_size: 8"
    ),
    run=Run(
        tests="agg-replicas and registration",
        variables={"REPLICA_ENGINE_CONFIG": "/srv/faults/wide.yaml"},
    ),
)
