"""Slurm cannot load its PMIx plugin."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import hidden, together

PLUGIN = "/usr/lib/x86_64-linux-gnu/slurm-wlm/mpi_pmix_v4.so"

FAULT = Fault(
    "wrong-mpi-plugin",
    (11,),
    "Slurm cannot load its PMIx plugin.",
    Layer.SLURM,
    Said((INFRA, CONFIG), patterns=("(?i)pmix",)),
    inject=together(*(hidden(f"node{k}", PLUGIN) for k in range(1, 5))),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
)
