"""A rank of a worker over four nodes is killed while it loads."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import RANK, kill

FAULT = Fault(
    "rank-killed-loading",
    (5, 45),
    "A rank of a worker over four nodes is killed while it loads.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("SIGKILL",), node="node3", rank=9, within_s=5.0),
    moment=Moment.LOADING,
    inject=kill(RANK, rank=9),
    run=Run(tests="registration and not replicas", variables={"EMULATED_TRTLLM_LOAD_S": "60"}),
)
