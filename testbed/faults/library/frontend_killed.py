"""The frontend dies while a worker serves."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import kill

FAULT = Fault(
    "frontend-killed",
    (),
    "The frontend dies while a worker serves.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("frontend (ended|died|was killed)",), node="node1", within_s=5.0),
    moment=Moment.SERVING,
    inject=kill("python3 -m dynamo.frontend"),
)
