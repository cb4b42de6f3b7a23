"""The instance of a live worker is gone: the frontend is healthy and has nobody to ask."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import etcd

FAULT = Fault(
    "healthy-with-nothing",
    (40,),
    "The instance of a live worker is gone: the frontend is healthy and has nobody to ask.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("instance",), within_s=15.0),
    moment=Moment.SERVING,
    inject=etcd("del", "--prefix", "v1/instances"),
)
