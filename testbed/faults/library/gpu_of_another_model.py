"""A node has GPUs of another model."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import changed_gpus

FAULT = Fault(
    "gpu-of-another-model",
    (23,),
    "A node has GPUs of another model.",
    Layer.NODE,
    Said((INFRA, CONFIG), patterns=("H100",), node="node2"),
    inject=changed_gpus(
        "node2", '[g.update(name="NVIDIA H100 (emulated)") for g in facts["gpus"]]'
    ),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
