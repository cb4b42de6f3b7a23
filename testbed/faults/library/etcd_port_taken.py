"""A stranger listens on etcd's port of the head node."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import listener

FAULT = Fault(
    "etcd-port-taken",
    (38,),
    "A stranger listens on etcd's port of the head node.",
    Layer.NODE,
    Said((INFRA,), patterns=("port 2379",), node="node1"),
    inject=listener("node1", 2379),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
