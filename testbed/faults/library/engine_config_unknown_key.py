"""The engine config has a key that TensorRT-LLM does not know."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said
from testbed.faults.provoke import engine_config

FAULT = Fault(
    "engine-config-unknown-key",
    (22,),
    "The engine config has a key that TensorRT-LLM does not know.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("enable_atention_dp",)),
    prepare=engine_config("agg.yaml", "unknown.yaml", more="enable_atention_dp: true\n"),
    run=Run(
        tests="agg-replicas and registration",
        variables={"REPLICA_ENGINE_CONFIG": "/srv/faults/unknown.yaml"},
    ),
)
