"""slurmctld is away for 12 s while a worker serves: nothing may fail."""

from __future__ import annotations

from testbed.cluster.controller import stop_controller
from testbed.faults.bed import START_CONTROLLER, Bed, Undo
from testbed.faults.fault import PASS, Fault, Layer, Moment, Run, Said


def _stop(bed: Bed) -> list[Undo]:
    stop_controller(bed.tree)
    return [START_CONTROLLER]


FAULT = Fault(
    "slurmctld-away",
    (9,),
    "slurmctld is away for 12 s while a worker serves: nothing may fail.",
    Layer.SLURM,
    Said((PASS,)),
    moment=Moment.SERVING,
    inject=_stop,
    run=Run(tests="agg-replicas and (registration or shutdown)", variables={}),
    lasts_s=12.0,
)
