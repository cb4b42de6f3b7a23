"""A rank is stopped while it serves; everything says that it is healthy."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import RANK, freeze

FAULT = Fault(
    "engine-stopped",
    (49,),
    "A rank is stopped while it serves; everything says that it is healthy.",
    Layer.ENGINE,
    Said((FAIL,), patterns=("is stopped",), node="node1", within_s=15.0),
    moment=Moment.SERVING,
    inject=freeze(RANK, rank=2),
)
