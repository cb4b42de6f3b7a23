"""Dynamo's process is killed while it serves."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import LEADER, kill

FAULT = Fault(
    "leader-killed-serving",
    (44,),
    "Dynamo's process is killed while it serves.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("SIGKILL|137",), node="node1", rank=0, within_s=5.0),
    moment=Moment.SERVING,
    inject=kill(LEADER),
)
