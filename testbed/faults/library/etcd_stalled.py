"""etcd does not answer for longer than a lease lasts, while a worker serves."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import freeze

FAULT = Fault(
    "etcd-stalled",
    (35,),
    "etcd does not answer for longer than a lease lasts, while a worker serves.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("etcd",), within_s=15.0),
    moment=Moment.SERVING,
    inject=freeze("etcd --name"),
)
