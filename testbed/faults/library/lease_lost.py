"""The leases of the deployment are revoked while a worker serves."""

from __future__ import annotations

from testbed.faults.fault import FAIL, Fault, Layer, Moment, Said
from testbed.faults.provoke import on_node

REVOKE = """
export ETCDCTL_API=3
for lease in $(etcdctl lease list | tail -n +2); do etcdctl lease revoke "$lease"; done
"""

FAULT = Fault(
    "lease-lost",
    (44,),
    "The leases of the deployment are revoked while a worker serves.",
    Layer.SERVICES,
    Said((FAIL,), patterns=("lease|instance",), within_s=15.0),
    moment=Moment.SERVING,
    inject=on_node("node1", "sh", "-c", REVOKE),
)
