"""A rank is killed while its worker drains."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import RANK, kill

FAULT = Fault(
    "rank-killed-stopping",
    (64,),
    "A rank is killed while its worker drains.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("SIGKILL",), node="node1", rank=2),
    moment=Moment.STOPPING,
    inject=kill(RANK, rank=2),
    run=Run(tests="agg-replicas and shutdown", variables={}),
)
