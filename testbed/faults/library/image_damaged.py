"""IMAGE is a file that is no image."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said
from testbed.faults.provoke import shared_file

FAULT = Fault(
    "image-damaged",
    (16,),
    "IMAGE is a file that is no image.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("pyxis:",)),
    prepare=shared_file("/srv/images/damaged.sqsh", "no image"),
    run=Run(tests="agg-replicas and registration", variables={"IMAGE": "/srv/images/damaged.sqsh"}),
)
