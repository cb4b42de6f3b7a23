"""MOUNTS names a folder that does not exist."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "mount-missing",
    (20,),
    "MOUNTS names a folder that does not exist.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("/nowhere",)),
    run=Run(tests="agg-replicas and registration", variables={"MOUNTS": "/nowhere:/mnt"}),
)
