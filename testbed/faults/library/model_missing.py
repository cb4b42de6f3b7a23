"""MODEL_PATH is not in the cache of models."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "model-missing",
    (21,),
    "MODEL_PATH is not in the cache of models.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("nvidia/No-Such-Model",)),
    run=Run(
        tests="agg-replicas and registration", variables={"MODEL_PATH": "nvidia/No-Such-Model"}
    ),
)
