"""The frontend lives and answers nothing."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import freeze

FAULT = Fault(
    "frontend-frozen",
    (49,),
    "The frontend lives and answers nothing.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("frontend",), within_s=15.0),
    moment=Moment.SERVING,
    inject=freeze("python3 -m dynamo.frontend"),
)
