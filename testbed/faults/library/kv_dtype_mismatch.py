"""Prefill and decode keep their KV caches in different types."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said
from testbed.faults.provoke import engine_config

FAULT = Fault(
    "kv-dtype-mismatch",
    (57,),
    "Prefill and decode keep their KV caches in different types.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("dtype: expected fp8",)),
    prepare=engine_config("decode.yaml", "dtype.yaml", old="dtype: fp8", new="dtype: auto"),
    run=Run(
        tests="disagg-small and registration",
        mark="disagg",
        variables={"REPLICA_DECODE_ENGINE_CONFIG": "/srv/faults/dtype.yaml"},
    ),
)
