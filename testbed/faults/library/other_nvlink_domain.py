"""A node is in another NVLink domain than the others of its worker."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, INFRA, Fault, Layer, Run, Said
from testbed.faults.provoke import changed_gpus

OTHER = "11111111-2222-3333-4444-555555555555"

FAULT = Fault(
    "other-nvlink-domain",
    (27,),
    "A node is in another NVLink domain than the others of its worker.",
    Layer.NODE,
    Said((INFRA, CONFIG), patterns=(f"clusterUuid {OTHER}",), node="node3"),
    inject=changed_gpus("node3", f'[g.update(cluster_uuid="{OTHER}") for g in facts["gpus"]]'),
    run=Run(tests="preflight or (registration and not replicas)", variables={}),
)
