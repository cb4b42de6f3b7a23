"""Dynamo's process is killed while its ranks load."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import LEADER, kill

FAULT = Fault(
    "leader-killed-loading",
    (45,),
    "Dynamo's process is killed while its ranks load.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("SIGKILL|137",), node="node1", rank=0, within_s=5.0),
    moment=Moment.LOADING,
    inject=kill(LEADER),
    run=Run(tests="agg-replicas and registration", variables={"EMULATED_TRTLLM_LOAD_S": "60"}),
)
