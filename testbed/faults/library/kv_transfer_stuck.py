"""The network swallows the transfers of KV caches."""

from __future__ import annotations

import time

from testbed.cluster.errors import TestbedError
from testbed.faults.bed import Bed, Undo
from testbed.faults.fault import FAIL, Fault, Layer, Moment, Run, Said
from testbed.faults.provoke import RANK, engine_config, together

PREFILL = "node1"
TIMEOUT = "  kv_transfer_timeout_ms: 2000\n"
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
    """Wait until every rank listens for decode ranks; rank 0 listens for its own ones besides."""
    until = time.monotonic() + LOAD_S
    while time.monotonic() < until:
        ranks = {each.rank: each.inner_pid for each in bed.processes(RANK, node=PREFILL)}
        listening = bed.on(PREFILL, "ss", "-Hltnp")
        found = {rank: _ports_of(listening, pid) for rank, pid in ranks.items() if rank is not None}
        if len(found) == 4 and all(found.values()) and len(found[0]) == 3:
            return [port for ports in found.values() for port in ports]
        time.sleep(0.1)
    raise TestbedError(f"testbed: no four prefill ranks listen on {PREFILL} after {LOAD_S:.0f} s")


def _ports_of(listening: str, pid: int) -> list[str]:
    return [
        line.split()[3].rpartition(":")[2]
        for line in listening.splitlines()
        if f"pid={pid}," in line
    ]


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
