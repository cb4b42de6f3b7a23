"""A node does not answer Slurm for 5 s while a worker serves: nothing may fail."""

from __future__ import annotations

from testbed.faults.fault import PASS, Fault, Layer, Moment, Said
from testbed.faults.provoke import freeze

FAULT = Fault(
    "node-slow",
    (),
    "A node does not answer Slurm for 5 s while a worker serves: nothing may fail.",
    Layer.NODE,
    Said((PASS,)),
    moment=Moment.SERVING,
    inject=freeze("slurmd -D", node="node1"),
    lasts_s=5.0,
)
