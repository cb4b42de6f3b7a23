"""MOUNTS is no pair of paths."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "mount-malformed",
    (20,),
    "MOUNTS is no pair of paths.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("`mnt` is not a mount",)),
    run=Run(tests="agg-replicas and registration", variables={"MOUNTS": "mnt"}),
)
