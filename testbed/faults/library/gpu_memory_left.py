"""A helper of a rank lives on with its GPU memory."""

from __future__ import annotations

from testbed.faults.fault import LEAK, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "gpu-memory-left",
    (62,),
    "A helper of a rank lives on with its GPU memory.",
    Layer.ENGINE,
    Said((LEAK,), patterns=("rank helper|GPU 1",), node="node1"),
    inject=tell_engine(EMULATED_TRTLLM_STOP="1=keep-gpu"),
    run=Run(tests="agg-replicas and shutdown", variables={}),
)
