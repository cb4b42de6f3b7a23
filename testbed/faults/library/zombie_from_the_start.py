"""The worker registers, and no request of it ever succeeds."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "zombie-from-the-start",
    (50,),
    "The worker registers, and no request of it ever succeeds.",
    Layer.ENGINE,
    Said(
        (FAIL,),
        patterns=(
            "canary",
            "could not be scheduled",
        ),
    ),
    inject=tell_engine(EMULATED_TRTLLM_FAULT="zombie"),
    run=Run(tests="agg-replicas and registration", variables={"START_TIMEOUT_S": "15"}),
)
