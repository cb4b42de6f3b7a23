"""Slurm does not know the options of Pyxis."""

from __future__ import annotations

from testbed.cluster.shape import LOGIN_NAME
from testbed.faults.fault import INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import moved_away

FAULT = Fault(
    "pyxis-missing",
    (19,),
    "Slurm does not know the options of Pyxis.",
    Layer.SLURM,
    Said((INFRA,), patterns=("container-image",)),
    inject=moved_away(LOGIN_NAME, "/etc/slurm/plugstack.conf"),
    run=Run(tests="preflight or (agg-replicas and registration)", variables={}),
    quick=True,
)
