"""A rank hangs when it is to stop."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "hang-at-stop",
    (65,),
    "A rank hangs when it is to stop.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("(?i)only when killed",)),
    inject=tell_engine(EMULATED_TRTLLM_STOP="2=hang"),
    run=Run(tests="agg-replicas and shutdown", variables={"STOP_TIMEOUT_S": "10"}),
)
