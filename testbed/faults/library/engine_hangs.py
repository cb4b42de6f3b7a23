"""A rank's iteration does not end; its process lives, and everything says that it is healthy."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "engine-hangs",
    (49,),
    "A rank's iteration does not end; its process lives, and everything says that it is healthy.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("(?i)no answer to a short request",), node="node1", within_s=15.0),
    moment=Moment.SERVING,
    inject=tell_engine(EMULATED_TRTLLM_FAULT="2=hang"),
)
