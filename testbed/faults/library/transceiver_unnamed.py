"""An engine config leaves the transceiver of KV caches to the release."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said
from testbed.faults.provoke import engine_config

FAULT = Fault(
    "transceiver-unnamed",
    (57,),
    "An engine config leaves the transceiver of KV caches to the release.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("expected a transceiver by its name",)),
    prepare=engine_config(
        "decode.yaml", "unnamed.yaml", old="backend: UCX", new="backend: DEFAULT"
    ),
    run=Run(
        tests="disagg-small and registration",
        mark="disagg",
        variables={"REPLICA_DECODE_ENGINE_CONFIG": "/srv/faults/unnamed.yaml"},
    ),
)
