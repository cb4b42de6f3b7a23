"""slurmctld is away for 12 s while a worker serves: nothing may fail."""

from __future__ import annotations

from testbed.cluster.controller import stop_controller
from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import PASS, Fault, Layer, Moment, Run, Said

START = """
slurmctld && for _ in $(seq 150); do
    sinfo --noheader --format=%T | grep -qv unk && exit 0
    sleep 0.1
done
exit 1
"""
START_ANEW = (
    "env", "--ignore-environment", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
    "LANG=C.UTF-8", "sh", "-c", START,
)  # fmt: skip


def _stop(bed: Bed) -> list[Undo]:
    stop_controller(bed.tree)
    return [Undo(bed.nodes[0], START_ANEW)]


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
