"""An instance of another deployment is in our etcd before the first worker."""

from __future__ import annotations

import json

from testbed.faults.fault import CONFIG, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import etcd

KEY = "v1/instances/dynamo/backend/generate/1267"
FOREIGN = {
    "namespace": "dynamo",
    "component": "backend",
    "endpoint": "generate",
    "instance_id": 4711,
    "transport": {"tcp": "10.77.0.99:40000/1267/generate"},
}

FAULT = Fault(
    "stale-instance",
    (34,),
    "An instance of another deployment is in our etcd before the first worker.",
    Layer.SERVICES,
    Said(
        (CONFIG,),
        patterns=(
            "NameTaken|another deployment",
            r"10\.77\.0\.99",
        ),
    ),
    moment=Moment.SERVICES_UP,
    inject=etcd("put", KEY, json.dumps(FOREIGN)),
    run=Run(tests="agg-replicas and registration", variables={}),
    quick=True,
)
