"""etcd does not answer for 3 s while a worker serves: nothing may fail."""

from __future__ import annotations

from testbed.faults.fault import PASS, Fault, Layer, Moment, Said
from testbed.faults.provoke import freeze

FAULT = Fault(
    "etcd-slow",
    (35,),
    "etcd does not answer for 3 s while a worker serves: nothing may fail.",
    Layer.SERVICES,
    Said((PASS,)),
    moment=Moment.SERVING,
    inject=freeze("etcd --name"),
    lasts_s=3.0,
)
