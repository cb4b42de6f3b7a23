"""A rank is killed while it serves."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import RANK, kill

FAULT = Fault(
    "rank-killed-serving",
    (5,),
    "A rank is killed while it serves.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("SIGKILL",), node="node1", rank=2, within_s=5.0),
    moment=Moment.SERVING,
    inject=kill(RANK, rank=2),
    quick=True,
)
