"""The engine config has a value that TensorRT-LLM does not know."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said
from testbed.faults.provoke import engine_config

FAULT = Fault(
    "engine-config-misspelt",
    (22,),
    "The engine config has a value that TensorRT-LLM does not know.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("WIFEEP",)),
    prepare=engine_config("agg_wide_ep.yaml", "misspelt.yaml", old="WIDEEP", new="WIFEEP"),
    run=Run(
        tests="agg-replicas and registration",
        variables={"REPLICA_ENGINE_CONFIG": "/srv/faults/misspelt.yaml"},
    ),
    quick=True,
)
