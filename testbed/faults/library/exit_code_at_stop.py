"""A rank stops in order and ends with exit code 3."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "exit-code-at-stop",
    (65,),
    "A rank stops in order and ends with exit code 3.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("exit code 3",), node="node1", rank=2),
    inject=tell_engine(EMULATED_TRTLLM_STOP="2=exit:3"),
    run=Run(tests="agg-replicas and shutdown", variables={}),
)
