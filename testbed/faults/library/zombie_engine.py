"""Every request fails; everything says that the engine is healthy."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "zombie-engine",
    (50,),
    "Every request fails; everything says that the engine is healthy.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("500|could not be scheduled",), within_s=5.0),
    moment=Moment.SERVING,
    inject=tell_engine(EMULATED_TRTLLM_FAULT="zombie"),
)
