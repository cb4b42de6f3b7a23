"""A proxy is set in the shell: nothing may fail."""

from __future__ import annotations

from testbed.faults.fault import PASS, Fault, Layer, Run, Said

FAULT = Fault(
    "proxy-in-the-environment",
    (39,),
    "A proxy is set in the shell: nothing may fail.",
    Layer.NETWORK,
    Said((PASS,)),
    run=Run(
        tests="agg-replicas and registration",
        variables={"http_proxy": "http://10.77.0.99:3128", "HTTP_PROXY": "http://10.77.0.99:3128"},
    ),
)
