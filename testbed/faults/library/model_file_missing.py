"""The model has no tokenizer.json any more."""

from __future__ import annotations

from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import moved_away

FAULT = Fault(
    "model-file-missing",
    (21,),
    "The model has no tokenizer.json any more.",
    Layer.CONTAINER,
    Said((CONFIG, INFRA), patterns=(r"tokenizer\.json",)),
    inject=moved_away(LOGIN_NAME, "/srv/models/DeepSeek-R1-FP4/tokenizer.json"),
    run=Run(tests="agg-replicas and registration", variables={}),
)
