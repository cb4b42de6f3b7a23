"""The time limit of the job is met while a worker loads."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said

FAULT = Fault(
    "walltime",
    (7,),
    "The time limit of the job is met while a worker loads.",
    Layer.SLURM,
    Said((INFRA, CONFIG), patterns=("(?i)time ?limit|walltime",)),
    run=Run(
        tests="agg-replicas and registration",
        variables={"EMULATED_TRTLLM_LOAD_S": "300"},
        options=("--time", "1"),
    ),
)
