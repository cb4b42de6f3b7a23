"""The only prefill worker dies while it serves."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import LEADER, kill

FAULT = Fault(
    "prefill-killed",
    (56,),
    "The only prefill worker dies while it serves.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("prefill-0",), node="node1", within_s=5.0),
    moment=Moment.SERVING,
    inject=kill(LEADER, node="node1"),
    run=Run(
        tests="disagg-small and (registration or routing or prompts)", mark="disagg", variables={}
    ),
)
