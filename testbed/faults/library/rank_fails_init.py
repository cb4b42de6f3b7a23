"""A rank that is not the leader fails while it loads, and says so."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "rank-fails-init",
    (46,),
    "A rank that is not the leader fails while it loads, and says so.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("invalid device ordinal",), node="node1", rank=2),
    inject=tell_engine(EMULATED_TRTLLM_FAULT="2=fail-init"),
    run=Run(tests="agg-replicas and registration", variables={}),
)
