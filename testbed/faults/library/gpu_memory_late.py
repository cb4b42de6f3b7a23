"""GPU memory comes back 4 s after the end: nothing may fail."""

from __future__ import annotations

from testbed.faults.fault import PASS, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "gpu-memory-late",
    (63,),
    "GPU memory comes back 4 s after the end: nothing may fail.",
    Layer.ENGINE,
    Said((PASS,)),
    inject=tell_engine(EMULATED_TRTLLM_STOP="slow-gpu:4"),
    run=Run(tests="agg-replicas and shutdown", variables={}),
)
