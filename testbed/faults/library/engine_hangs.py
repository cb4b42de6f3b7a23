"""A rank hangs while it serves; everything says that it is healthy."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import RANK, freeze

FAULT = Fault(
    "engine-hangs",
    (49,),
    "A rank hangs while it serves; everything says that it is healthy.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("(?i)hang|no answer|not answered",), node="node1", within_s=15.0),
    moment=Moment.SERVING,
    inject=freeze(RANK, rank=2),
)
