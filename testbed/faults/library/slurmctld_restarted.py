"""slurmctld is restarted while a worker serves: nothing may fail."""

from __future__ import annotations

from testbed.cluster.controller import start_controller, stop_controller
from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import PASS, Fault, Layer, Moment, Said


def _restart(bed: Bed) -> list[Undo]:
    stop_controller(bed.tree)
    start_controller(bed.look_again())
    return []


FAULT = Fault(
    "slurmctld-restarted",
    (10,),
    "slurmctld is restarted while a worker serves: nothing may fail.",
    Layer.SLURM,
    Said((PASS,)),
    moment=Moment.SERVING,
    inject=_restart,
)
