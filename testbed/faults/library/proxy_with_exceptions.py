"""A proxy is set in the shell, and no_proxy has the network of the nodes: nothing may fail."""

from __future__ import annotations

from testbed.faults.fault import PASS, Fault, Layer, Run, Said

PROXY = "http://10.77.0.99:3128"

FAULT = Fault(
    "proxy-with-exceptions",
    (39,),
    "A proxy is set in the shell, and no_proxy has the network of the nodes: nothing may fail.",
    Layer.NETWORK,
    Said((PASS,)),
    run=Run(
        tests="agg-replicas and registration",
        variables={
            "START_TIMEOUT_S": "20",
            "http_proxy": PROXY,
            "https_proxy": PROXY,
            "no_proxy": "localhost,10.77.0.0/16",
        },
    ),
)
