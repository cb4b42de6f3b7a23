"""MOUNTS puts another folder where the engine configs are expected."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "engine-config-not-mounted",
    (20,),
    "MOUNTS puts another folder where the engine configs are expected.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("/mnt/engine_configs",)),
    run=Run(tests="agg-replicas and registration", variables={"MOUNTS": "/srv/models:/mnt"}),
)
