"""IMAGE is a registry's name, and the registry refuses it."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "image-refused",
    (16,),
    "IMAGE is a registry's name, and the registry refuses it.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("pyxis:",)),
    run=Run(
        tests="agg-replicas and registration", variables={"IMAGE": "registry.invalid/dynamo:1"}
    ),
)
