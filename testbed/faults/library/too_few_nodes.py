"""Prefill and decode need more nodes than the job has."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "too-few-nodes",
    (15,),
    "Prefill and decode need more nodes than the job has.",
    Layer.SLURM,
    Said((CONFIG,), patterns=("needs 8 nodes",)),
    run=Run(tests="disagg]", mark="disagg", variables={}),
    quick=True,
)
