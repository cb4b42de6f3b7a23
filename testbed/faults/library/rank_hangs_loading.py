"""A rank hangs while it loads."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import RANK, freeze

FAULT = Fault(
    "rank-hangs-loading",
    (49,),
    "A rank hangs while it loads.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("(?i)missing|stopped",), node="node1", rank=2, within_s=15.0),
    moment=Moment.LOADING,
    inject=freeze(RANK, rank=2),
    run=Run(
        tests="agg-replicas and registration",
        variables={"START_TIMEOUT_S": "30", "EMULATED_TRTLLM_LOAD_S": "8"},
    ),
)
