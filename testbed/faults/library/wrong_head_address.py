"""HEAD_NODE_IP is the loopback: other nodes do not get to the services."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "wrong-head-address",
    (36,),
    "HEAD_NODE_IP is the loopback: other nodes do not get to the services.",
    Layer.NETWORK,
    Said((CONFIG,), patterns=(r"127\.0\.0\.1",)),
    run=Run(
        tests="disagg-small and registration",
        mark="disagg",
        variables={"HEAD_NODE_IP": "127.0.0.1", "START_TIMEOUT_S": "25"},
    ),
    quick=True,
)
