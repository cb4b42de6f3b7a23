"""One of two replicas never registers."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "replica-missing",
    (43,),
    "One of two replicas never registers.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("decode-1",), node="node4"),
    inject=tell_engine(node="node4", EMULATED_TRTLLM_LOAD_S="600"),
    run=Run(
        tests="disagg-mixed and registration", mark="disagg", variables={"START_TIMEOUT_S": "25"}
    ),
)
