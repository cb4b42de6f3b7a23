"""A prompt does not fit into the buffer of KV transfers: it would wait for ever."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said
from testbed.faults.provoke import engine_config

FAULT = Fault(
    "transfer-buffer-too-small",
    (54,),
    "A prompt does not fit into the buffer of KV transfers: it would wait for ever.",
    Layer.CONTAINER,
    Said((CONFIG,), patterns=("max_tokens_in_buffer: expected at least",)),
    prepare=engine_config("decode.yaml", "buffer.yaml", old="16384", new="4096"),
    run=Run(
        tests="disagg-small and registration",
        mark="disagg",
        variables={"REPLICA_DECODE_ENGINE_CONFIG": "/srv/faults/buffer.yaml"},
    ),
)
