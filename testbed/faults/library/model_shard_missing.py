"""The index of the model names a shard that is not there."""

from __future__ import annotations

from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import on_node

MAKE = """
mkdir -p /srv/models/incomplete && cd /srv/models/incomplete && cp ../DeepSeek-R1-FP4/* . &&
rm model-00002-of-00002.safetensors
"""

FAULT = Fault(
    "model-shard-missing",
    (21,),
    "The index of the model names a shard that is not there.",
    Layer.CONTAINER,
    Said((CONFIG, INFRA), patterns=("model-00002-of-00002",)),
    prepare=on_node(LOGIN_NAME, "sh", "-c", MAKE, undo=("rm", "-r", "/srv/models/incomplete")),
    run=Run(
        tests="agg-replicas and registration", variables={"MODEL_PATH": "/srv/models/incomplete"}
    ),
)
