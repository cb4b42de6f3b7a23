"""The network swallows the transfers of KV caches."""

from __future__ import annotations

import time

from testbed.cluster.errors import TestbedError
from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import RANK, engine_config, together

PREFILL = "node1"
TIMEOUT = "  kv_transfer_timeout_ms: 2000\n"
RANKS = 4
LOAD_S = 15.0
HASTY = together(
    engine_config("prefill.yaml", "hasty_prefill.yaml", more=TIMEOUT),
    engine_config("decode.yaml", "hasty_decode.yaml", more=TIMEOUT),
)


def _swallow(bed: Bed) -> list[Undo]:
    """Swallow what leaves the ports on which the prefill ranks listen, as soon as all do."""
    undo = []
    for port in _ports(bed):
        rule = ("ipproto", "tcp", "sport", port, "blackhole")
        bed.on(PREFILL, "ip", "rule", "add", *rule)
        undo.append(Undo(PREFILL, ("ip", "rule", "del", *rule)))
    return undo


def _ports(bed: Bed) -> list[str]:
    """Wait until every rank listens for decode ranks, which it does at the node's own address."""
    here = f"{bed.address(PREFILL)}:"
    until = time.monotonic() + LOAD_S
    while time.monotonic() < until:
        pids = [each.inner_pid for each in bed.processes(RANK, node=PREFILL)]
        listening = bed.on(PREFILL, "ss", "-Hltnp").splitlines()
        ports = [
            line.split()[3].removeprefix(here)
            for line in listening
            if line.split()[3].startswith(here) and any(f"pid={pid}," in line for pid in pids)
        ]
        if len(ports) == RANKS:
            return ports
        time.sleep(0.1)
    raise TestbedError(f"testbed: no four prefill ranks listen on {PREFILL} after {LOAD_S:.0f} s")


FAULT = Fault(
    "kv-transfer-stuck",
    (54,),
    "The network swallows the transfers of KV caches.",
    Layer.NETWORK,
    Said(
        (FAIL,),
        patterns=(
            "canary",
            "(?i)kv cache",
        ),
    ),
    moment=Moment.SERVICES_UP,
    inject=_swallow,
    prepare=HASTY,
    run=Run(
        tests="disagg-small and registration",
        mark="disagg",
        variables={
            "START_TIMEOUT_S": "30",
            "REPLICA_PREFILL_ENGINE_CONFIG": "/srv/faults/hasty_prefill.yaml",
            "REPLICA_DECODE_ENGINE_CONFIG": "/srv/faults/hasty_decode.yaml",
        },
    ),
)
