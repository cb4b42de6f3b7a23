"""The model's card is gone from discovery: nothing is listed, all is healthy."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import etcd

FAULT = Fault(
    "model-card-gone",
    (41,),
    "The model's card is gone from discovery: nothing is listed, all is healthy.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("/v1/models|model",), within_s=15.0),
    moment=Moment.SERVING,
    inject=etcd("del", "--prefix", "v1/mdc"),
)
