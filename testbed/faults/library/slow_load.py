"""The model takes ten times as long to load: nothing may fail."""

from __future__ import annotations

from testbed.faults.fault import PASS, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "slow-load",
    (45,),
    "The model takes ten times as long to load: nothing may fail.",
    Layer.ENGINE,
    Said((PASS,)),
    inject=tell_engine(EMULATED_TRTLLM_LOAD_S="20"),
    run=Run(tests="agg-replicas and registration", variables={}),
)
