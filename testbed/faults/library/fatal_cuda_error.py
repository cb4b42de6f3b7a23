"""A rank meets a fatal CUDA error while it serves, and exits."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "fatal-cuda-error",
    (50,),
    "A rank meets a fatal CUDA error while it serves, and exits.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("illegal memory access",), node="node1", rank=2, within_s=5.0),
    moment=Moment.SERVING,
    inject=tell_engine(EMULATED_TRTLLM_FAULT="2=crash"),
)
