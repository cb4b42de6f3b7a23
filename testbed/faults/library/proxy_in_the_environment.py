"""A proxy is set in the shell, and reaches the frontend and the workers."""

from __future__ import annotations

from testbed.faults.fault import CONFIG, Fault, Layer, Run, Said

FAULT = Fault(
    "proxy-in-the-environment",
    (39,),
    "A proxy is set in the shell, and reaches the frontend and the workers.",
    Layer.NETWORK,
    Said((CONFIG,), patterns=("(?i)proxy",)),
    run=Run(
        tests="agg-replicas and registration",
        variables={
            "START_TIMEOUT_S": "20",
            "http_proxy": "http://10.77.0.99:3128",
            "HTTP_PROXY": "http://10.77.0.99:3128",
        },
    ),
)
