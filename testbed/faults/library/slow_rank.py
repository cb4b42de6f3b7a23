"""One rank takes six times as long to load as the others: nothing may fail."""

from __future__ import annotations

from testbed.faults.fault import PASS, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "slow-rank",
    (45,),
    "One rank takes six times as long to load as the others: nothing may fail.",
    Layer.ENGINE,
    Said((PASS,)),
    inject=tell_engine(EMULATED_TRTLLM_LOAD_S="2,3=12"),
    run=Run(tests="agg-replicas and registration", variables={}),
)
