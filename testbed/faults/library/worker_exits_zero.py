"""The worker ends with exit code 0 while it should load."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Run, Said
from testbed.faults.provoke import tell_engine

FAULT = Fault(
    "worker-exits-zero",
    (),
    "The worker ends with exit code 0 while it should load.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("exit code 0",), node="node1"),
    inject=tell_engine(EMULATED_TRTLLM_FAULT="0=exit-early"),
    run=Run(tests="agg-replicas and registration", variables={}),
    quick=True,
)
