"""The index of the model names a shard that is not there."""

from __future__ import annotations

import json

from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import on_node

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = json.dumps({"weight_map": dict(zip(("a", "b"), SHARDS, strict=True))})
MAKE = """
mkdir -p /srv/models/incomplete && cd /srv/models/incomplete && cp ../DeepSeek-R1-FP4/* . &&
touch model-00001-of-00002.safetensors && printf %s "$1" >model.safetensors.index.json
"""

FAULT = Fault(
    "model-shard-missing",
    (21,),
    "The index of the model names a shard that is not there.",
    Layer.CONTAINER,
    Said((CONFIG, INFRA), patterns=("model-00002-of-00002",)),
    prepare=on_node(
        LOGIN_NAME, "sh", "-c", MAKE, "sh", INDEX, undo=("rm", "-r", "/srv/models/incomplete")
    ),
    run=Run(
        tests="agg-replicas and registration", variables={"MODEL_PATH": "/srv/models/incomplete"}
    ),
)
