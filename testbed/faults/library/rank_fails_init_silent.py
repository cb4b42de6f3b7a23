"""A rank fails while it loads; the leader is not told and waits."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "rank-fails-init-silent",
    (46,),
    "A rank fails while it loads; the leader is not told and waits.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("invalid device ordinal",), node="node1", rank=2),
    inject=tell_engine(EMULATED_TRTLLM_FAULT="2=fail-init-silent"),
    run=Run(tests="agg-replicas and registration", variables={"START_TIMEOUT_S": "20"}),
)
