"""etcd dies while a worker serves."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import kill

FAULT = Fault(
    "etcd-killed-serving",
    (35,),
    "etcd dies while a worker serves.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("etcd (ended|died|was killed)",), node="node1", within_s=5.0),
    moment=Moment.SERVING,
    inject=kill("etcd --name"),
)
