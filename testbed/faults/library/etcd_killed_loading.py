"""etcd dies while a worker loads."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import kill

FAULT = Fault(
    "etcd-killed-loading",
    (35,),
    "etcd dies while a worker loads.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("etcd (ended|died|was killed)",), node="node1", within_s=5.0),
    moment=Moment.LOADING,
    inject=kill("etcd --name"),
    run=Run(tests="agg-replicas and registration", variables={"EMULATED_TRTLLM_LOAD_S": "20"}),
)
