"""IMAGE is a path that does not exist."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "image-missing",
    (16,),
    "IMAGE is a path that does not exist.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("IMAGE=/srv/images/none.sqsh",)),
    run=Run(tests="agg-replicas and registration", variables={"IMAGE": "/srv/images/none.sqsh"}),
    quick=True,
)
