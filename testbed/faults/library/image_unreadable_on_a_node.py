"""One node of a worker cannot read the image."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import hidden

FAULT = Fault(
    "image-unreadable-on-a-node",
    (17,),
    "One node of a worker cannot read the image.",
    Layer.CONTAINER,
    Said((INFRA,), patterns=("pyxis:",), node="node3"),
    inject=hidden("node3", "/srv/images/dynamo-trtllm.sqsh"),
    run=Run(tests="registration and not replicas", variables={}),
)
