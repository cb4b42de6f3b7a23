"""The driver of a node waits for a reset of a GPU to remap a row of its memory."""

from __future__ import annotations

from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import changed_gpus

FAULT = Fault(
    "row-remap-pending",
    (24,),
    "The driver of a node waits for a reset of a GPU to remap a row of its memory.",
    Layer.NODE,
    Said((INFRA,), patterns=("row remapping is pending", r"GPU 1\b"), node="node3"),
    inject=changed_gpus("node3", 'facts["gpus"][1].update(remap_pending="Yes")'),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
